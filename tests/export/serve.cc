// Asks a SavedModel from C++: texts in, a NumPy array of every output out. No Python takes part.
//
//     serve SAVED_MODEL SIGNATURE INPUTS BATCH_SIZE FOLDER OP_LIBRARY...
//
// INPUTS is a folder with a file for each input of the signature, of the input's name: how many texts an example has
// there, 0 where it has one that stands for itself and is no list, and then each text as the count of its bytes and those bytes; counts
// are uint32 of this machine. BATCH_SIZE examples are answered at a time; FOLDER gets NUMBER.OUTPUT.npy of each batch and each output,
// and `maps`, the files that this process had in memory. The op libraries are those of tensorflow-text that the graph needs.

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

// The texts of one input.
struct Column {
  std::string tensor;  // what the graph's tensor is called that takes them
  std::vector<std::string> texts;
  uint32_t width;  // texts of an example; 0: one, and no list

  size_t Examples() const { return texts.size() / std::max(width, 1u); }

  Tensor Batch(size_t start, size_t size) const {
    tensorflow::TensorShape shape({static_cast<int64_t>(size)});
    if (width) shape.AddDim(width);
    Tensor batch(tensorflow::DT_STRING, shape);
    const size_t first = start * std::max(width, 1u);
    for (int64_t i = 0; i < batch.NumElements(); ++i) batch.flat<tstring>()(i) = texts[first + i];
    return batch;
  }
};

Column ReadColumn(const std::string& path, const std::string& tensor) {
  std::ifstream file(path, std::ios::binary);
  Column column{tensor};
  if (!file.read(reinterpret_cast<char*>(&column.width), sizeof column.width)) Fail("cannot read " + path);
  for (uint32_t size; file.read(reinterpret_cast<char*>(&size), sizeof size);) {
    std::string text(size, '\0');
    if (!file.read(text.data(), size)) Fail(path + " ends within text " + std::to_string(column.texts.size()));
    column.texts.push_back(std::move(text));
  }
  return column;
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
  if (count < 6) Fail("usage: serve SAVED_MODEL SIGNATURE INPUTS BATCH_SIZE FOLDER OP_LIBRARY...");
  const std::string saved_model = arguments[1], name = arguments[2];
  const std::string inputs = std::string(arguments[3]) + "/", folder = std::string(arguments[5]) + "/";
  const size_t batch_size = std::stoul(arguments[4]);

  for (int i = 6; i < count; ++i) {
    void* handle;
    Check(tensorflow::Env::Default()->LoadDynamicLibrary(arguments[i], &handle));  // its ops register themselves
  }
  tensorflow::SavedModelBundleLite model;
  Check(tensorflow::LoadSavedModel(tensorflow::SessionOptions(), tensorflow::RunOptions(), saved_model, {"serve"}, &model));

  // The signature tells what the graph's tensors are called that hold its inputs and its outputs.
  const auto& signature = model.GetSignatures().at(name);
  std::vector<Column> columns;
  for (const auto& [input, tensor] : signature.inputs()) columns.push_back(ReadColumn(inputs + input, tensor.name()));
  std::vector<std::string> outputs, tensors;
  for (const auto& [output, tensor] : signature.outputs()) {
    outputs.push_back(output);
    tensors.push_back(tensor.name());
  }
  const size_t examples = columns.at(0).Examples();
  for (const Column& column : columns) {
    if (column.Examples() != examples) Fail("the inputs of " + inputs + " differ in their numbers of examples");
  }

  for (size_t start = 0, number = 0; start < examples; start += batch_size, ++number) {
    const size_t size = std::min(batch_size, examples - start);
    std::vector<std::pair<std::string, Tensor>> fed;
    for (const Column& column : columns) fed.emplace_back(column.tensor, column.Batch(start, size));
    std::vector<Tensor> answers;
    Check(model.GetSession()->Run(fed, tensors, {}, &answers));
    for (size_t i = 0; i < answers.size(); ++i) {
      WriteNumpy(folder + std::to_string(number) + "." + outputs[i] + ".npy", answers[i]);
    }
  }
  std::ofstream(folder + "maps") << std::ifstream("/proc/self/maps").rdbuf();
  return 0;
}
