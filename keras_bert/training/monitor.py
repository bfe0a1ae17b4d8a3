"""Which validation of a run is the best: one of its values, and whether less or more of that is better."""

import math
import re

MODES = ("auto", "min", "max")

# Parts of metrics' names, as Keras and the field write them; "_" stands between two words, whatever a name has there.
# fmt: off
LEAST = (
    "loss", "error", "errors", "perplexity", "ppl", "nats", "bits", "bpc", "bpb", "nll", "negative_log_likelihood",
    "crossentropy", "cross_entropy", "divergence", "kl", "kld", "poisson", "deviance", "brier", "hinge", "logcosh", "log_cosh",
    "mae", "mse", "rmse", "mape", "smape", "msle", "rmsle", "distance", "wer", "cer", "ter", "eer", "ece",
    "false_positives", "false_negatives", "false_positive_rate", "false_negative_rate", "fpr", "fnr",
)
GREATEST = (
    "accuracy", "acc", "precision", "recall", "f1", "f1score", "f2", "fbeta", "f_beta", "f_score", "fscore", "f_measure",
    "auc", "auroc", "auprc", "roc", "ap", "map", "sensitivity", "specificity", "tpr", "tnr",
    "true_positives", "true_negatives", "true_positive_rate", "true_negative_rate",
    "matthews", "mcc", "kappa", "correlation", "pearson", "pearsonr", "spearman", "spearmanr", "kendall", "concordance",
    "r2", "r_squared", "explained_variance", "exact_match", "exact", "em", "uas", "las",
    "bleu", "sacrebleu", "chrf", "rouge", "rougel", "rougelsum", "meteor", "bleurt", "comet", "bertscore",
    "ndcg", "dcg", "mrr", "reciprocal_rank", "hits", "hit_rate", "iou", "io_u", "miou", "jaccard", "dice", "similarity",
)
# fmt: on


def better_direction(name):
    """Whether less or more of a metric is better, by the words of its name.

    A name that ends in "loss" is one, whatever stands before it: Keras names the losses of several outputs so.

    Args: name: as "val_accuracy", "val_answer_exact_match" or "val_loss".
    Returns: "min" or "max".
    Raises: ValueError where no word of it is in LEAST or GREATEST, or words of both are.
    """
    forms = [*_forms(name.removeprefix("val_"))]
    if any("_neg_" in form for form in forms):
        found = set()  # scikit-learn's "neg_log_loss" is better where it is greater
    elif any(form.endswith("_loss_") for form in forms):
        found = {"min"}
    else:
        tables = {"min": LEAST, "max": GREATEST}
        found = {mode for mode, parts in tables.items() if any(f"_{part}_" in form for part in parts for form in forms)}
    if len(found) != 1:
        raise ValueError(
            f"monitor={name!r}: its name does not tell whether less or more of it is better; give mode='min' for less, mode='max' for more"
        )
    return found.pop()


def _forms(name):
    """The words of a name with "_" around each: "meanIoU_1" -> "_meaniou_1_", "_mean_io_u_1_", and both without their numbers."""
    for form in (name, re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)):
        form = "_" + re.sub(r"[^a-z0-9]+", "_", form.lower()).strip("_") + "_"
        yield from (form, re.sub(r"\d+_", "_", form))


class Best:
    """The best validation of a run so far.

    Args:
        monitor: name of the value that it is chosen by.
        mode: "min" where less is better, "max" where more is; "auto": as better_direction says.
        patience: validations without improvement after which the run is to end; None: it does not.
    Raises: ValueError naming the value that does not fit.

    Attributes: step, value: of the best; None where there is none yet. waited: validations since.
    """

    def __init__(self, monitor, *, mode="auto", patience=None):
        if not isinstance(monitor, str) or not monitor.startswith("val_"):
            raise ValueError(f"monitor={monitor!r} is no value of the validation: 'val_loss', 'val_accuracy', ...")
        if mode not in MODES:
            raise ValueError(f"mode={mode!r} is not one of {', '.join(MODES)}")
        self.monitor = monitor
        self.mode = mode
        self.patience = patience
        self.step = self.value = None
        self.waited = 0

    @property
    def direction(self):
        """ "min" or "max". Raises: ValueError where mode="auto" and the name does not tell."""
        return better_direction(self.monitor) if self.mode == "auto" else self.mode

    @property
    def is_out_of_patience(self):
        return self.patience is not None and self.waited >= self.patience

    def check(self, names):
        """Args: names: of all values that a validation gives. Raises: ValueError where the monitored one is not there, or see direction."""
        if self.monitor not in names:
            shown = ", ".join(sorted(names, key=lambda name: name != "val_loss"))  # the loss first, the rest as they come
            raise ValueError(f"monitor={self.monitor!r} is none of what validation gives: {shown}")
        _ = self.direction

    def update(self, step, values):
        """Take a validation in. Args: step: updates done. values: dict of name to float. Returns: bool, whether it is the best so far."""
        self.check(values)
        value = values[self.monitor]
        # NaN is never the best: nothing could be better than it afterwards.
        better = not math.isnan(value) and (self.step is None or (value < self.value if self.direction == "min" else value > self.value))
        if better:
            self.step, self.value, self.waited = step, value, 0
        else:
            self.waited += 1
        return better

    def state(self):
        """Returns: dict for a checkpoint."""
        # Where nothing was validated the name may be one that does not tell its direction.
        direction = None if self.step is None else self.direction
        return {"step": self.step, "value": self.value, "waited": self.waited, "monitor": self.monitor, "mode": direction}

    def restore(self, state, kept_values):
        """Go on from a checkpoint.

        By another monitor or mode, or in another direction, the value there compares with none to come. The best is then that
        whose weights are kept, by its value of the new monitor; validations whose weights are gone count no more.

        Args: state: as state() gave it. kept_values: function without arguments -> dict of "step" and the values of the validation
            whose weights are kept as the best; None where there is none.
        Returns: bool, whether the run was by another monitor or direction.
        """
        self.step, self.value, self.waited = state["step"], state["value"], state["waited"]
        if self.step is None or (state.get("monitor") == self.monitor and state.get("mode") == self.direction):
            return False
        self.step, self.value, self.waited = None, None, 0
        self.take(kept_values() or {})
        return True

    def take(self, values):
        """Be the validation whose weights are kept as the best, if it has the monitored value. Args: values: see restore."""
        if self.monitor in values:
            self.step, self.value = values["step"], values[self.monitor]
