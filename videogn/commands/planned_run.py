"""A run that is built and does not begin: what `videogn fit` would do, from the same words."""

from __future__ import annotations

import warnings

from videogn.ablation.plans import CellPlan
from videogn.commands.trainer import FROM_SCRATCH, VideoCLI
from videogn.commands.usage import UsageError
from videogn.norms import NORMS
from videogn.training.schedule import scaled_lr


class PlannedRun(VideoCLI):
    """`videogn fit`, up to where it would begin.

    Args:
        words: Its command line.

    Raises:
        UsageError: It would be refused; or its norm needs weights and has none, which a study has no use for.
    """

    plan: CellPlan
    notes: list[str]

    def _run_subcommand(self, subcommand: str) -> None:
        plan = self._plan()
        norm = plan.architecture["norm"]
        if NORMS[norm].needs_weights and plan.start == FROM_SCRATCH:
            raise UsageError(f"{norm} from scratch has nothing to normalise by: give model.weights of a bn network")
        self.plan = CellPlan(
            learning_rate=scaled_lr(plan.base_lr, plan.total_batch_size),
            num_steps=plan.total_steps,
            num_epochs=plan.total_steps / plan.steps_per_epoch,
            norm_batch_size=plan.norm_batch,
            device_batch_size=plan.device_batch_size,
            total_batch_size=plan.total_batch_size,
            num_devices=plan.num_devices,
            num_workers=self.datamodule.num_workers,
        )
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self._warn_of_no_effect(plan)
        self.notes = [str(warning.message) for warning in caught]
        self.run_dir.mkdir(parents=True, exist_ok=True)  # index.sqlite lies there
