"""A run that is built and does not begin: what `videogn fit` would do, from the same words."""

from __future__ import annotations

from videogn.ablation.plans import CellPlan
from videogn.commands.trainer import VideoCLI
from videogn.commands.usage import UsageError
from videogn.norms import NORMS
from videogn.training.plan import FROM_SCRATCH, without_effect


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
        plan = self.plan_of_run()
        norm = plan.architecture["norm"]
        if NORMS[norm].needs_weights and plan.start == FROM_SCRATCH:
            raise UsageError(f"{norm} from scratch has nothing to normalise by: give model.weights of a bn network")
        self.plan = CellPlan(
            learning_rate=plan.learning_rate,
            num_steps=plan.total_steps,
            num_epochs=plan.total_steps / plan.steps_per_epoch,
            sizes=plan.sizes,
            num_workers=self.datamodule.num_workers,
        )
        self.notes = without_effect(plan, precise_bn_batches=self.config.fit.precise_bn_batches)
        self.run_dir.mkdir(parents=True, exist_ok=True)  # index.sqlite lies there
