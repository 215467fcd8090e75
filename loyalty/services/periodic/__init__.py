"""What happens by itself: nightly jobs in their order, and holds that ran out."""

from loyalty.services.periodic.holds import release_overdue_holds
from loyalty.services.periodic.runs import JOBS, ask_for_nightly_jobs, restart_job, run_nightly

__all__ = ["JOBS", "ask_for_nightly_jobs", "release_overdue_holds", "restart_job", "run_nightly"]
