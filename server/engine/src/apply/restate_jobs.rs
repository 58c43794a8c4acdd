//! RestateJobs: writes the present state of jobs again, so that the store can drop
//! the old records.

use crate::id::JobSeq;
use crate::turn::Turn;

impl Turn<'_> {
    pub(super) fn restate_jobs(&mut self, jobs: Vec<JobSeq>) {
        for restated in self.state.restate_jobs(jobs) {
            self.emit(restated);
        }
    }
}
