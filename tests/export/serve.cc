// Asks a SavedModel from C++: texts in, a NumPy array of every output out. No Python takes part.
//
//     serve SAVED_MODEL TEXTS BATCH_SIZE FOLDER OP_LIBRARY...
//
// TEXTS holds each text as the count of its bytes (uint32 of this machine) and those bytes. Its signature serving_default, which has
// one input, answers BATCH_SIZE of them at a time; FOLDER gets NUMBER.OUTPUT.npy of each batch and each output, and `maps`, the files
// that this process had in memory. The op libraries are those of tensorflow-text that the graph needs.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tensorflow/cc/saved_model/loader.h"
#include "tensorflow/core/framework/tensor.h"
#include "tensorflow/core/platform/env.h"
#include "tensorflow/core/public/session.h"

using tensorflow::Tensor;
using tensorflow::tstring;

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::cerr << status << std::endl;
  std::exit(1);
}

void Fail(const std::string& message) { Check(absl::InvalidArgumentError(message)); }

std::vector<std::string> ReadTexts(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) Fail("cannot read " + path);
  std::vector<std::string> texts;
  for (uint32_t size; file.read(reinterpret_cast<char*>(&size), sizeof size);) {
    std::string text(size, '\0');
    if (!file.read(text.data(), size)) Fail(path + " ends within text " + std::to_string(texts.size()));
    texts.push_back(std::move(text));
  }
  return texts;
}

// NumPy's name of an element's type; of strings, one that the longest fits, as every element of an array is of one size.
std::string NumpyType(const Tensor& tensor, size_t string_size) {
  switch (tensor.dtype()) {
    case tensorflow::DT_FLOAT: return "<f4";
    case tensorflow::DT_INT32: return "<i4";
    case tensorflow::DT_INT64: return "<i8";
    case tensorflow::DT_STRING: return "|S" + std::to_string(string_size);
    default: Fail("no output is of type " + tensorflow::DataTypeString(tensor.dtype())); return "";
  }
}

// The format is at https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, version 1.0.
void WriteNumpy(const std::string& path, const Tensor& tensor) {
  size_t string_size = 1;  // NumPy knows no strings of no bytes
  std::string elements;
  if (tensor.dtype() == tensorflow::DT_STRING) {
    const auto strings = tensor.flat<tstring>();
    for (int64_t i = 0; i < strings.size(); ++i) string_size = std::max(string_size, strings(i).size());
    for (int64_t i = 0; i < strings.size(); ++i) {
      elements.append(strings(i).data(), strings(i).size());
      elements.append(string_size - strings(i).size(), '\0');
    }
  } else {
    elements = std::string(tensor.tensor_data());
  }
  std::ostringstream header;
  header << "{'descr': '" << NumpyType(tensor, string_size) << "', 'fortran_order': False, 'shape': (";
  for (int axis = 0; axis < tensor.dims(); ++axis) header << tensor.dim_size(axis) << ",";
  header << ")}\n";
  const std::string text = header.str();
  std::ofstream file(path, std::ios::binary);
  file << "\x93NUMPY" << '\x01' << '\0' << static_cast<char>(text.size() % 256) << static_cast<char>(text.size() / 256);
  file << text << elements;
  if (!file.flush()) Fail("cannot write " + path);
}

int main(int count, char** arguments) {
  if (count < 5) Fail("usage: serve SAVED_MODEL TEXTS BATCH_SIZE FOLDER OP_LIBRARY...");
  const std::string saved_model = arguments[1], folder = std::string(arguments[4]) + "/";
  const std::vector<std::string> texts = ReadTexts(arguments[2]);
  const size_t batch_size = std::stoul(arguments[3]);

  for (int i = 5; i < count; ++i) {
    void* handle;
    Check(tensorflow::Env::Default()->LoadDynamicLibrary(arguments[i], &handle));  // its ops register themselves
  }
  tensorflow::SavedModelBundleLite model;
  Check(tensorflow::LoadSavedModel(tensorflow::SessionOptions(), tensorflow::RunOptions(), saved_model, {"serve"}, &model));

  // The signature tells what the graph's tensors are called that hold its input and its outputs.
  const auto& signature = model.GetSignatures().at("serving_default");
  if (signature.inputs().size() != 1) Fail(saved_model + " takes other inputs than one text");
  const std::string input = signature.inputs().begin()->second.name();
  std::vector<std::string> outputs, tensors;
  for (const auto& [output, tensor] : signature.outputs()) {
    outputs.push_back(output);
    tensors.push_back(tensor.name());
  }

  for (size_t start = 0, number = 0; start < texts.size(); start += batch_size, ++number) {
    const size_t size = std::min(batch_size, texts.size() - start);
    Tensor batch(tensorflow::DT_STRING, {static_cast<int64_t>(size)});
    for (size_t i = 0; i < size; ++i) batch.flat<tstring>()(i) = texts[start + i];
    std::vector<Tensor> answers;
    Check(model.GetSession()->Run({{input, batch}}, tensors, {}, &answers));
    for (size_t i = 0; i < answers.size(); ++i) {
      WriteNumpy(folder + std::to_string(number) + "." + outputs[i] + ".npy", answers[i]);
    }
  }
  std::ofstream(folder + "maps") << std::ifstream("/proc/self/maps").rdbuf();
  return 0;
}
