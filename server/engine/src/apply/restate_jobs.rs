//! RestateJobs: writes the present state of jobs again, so that the store can drop
//! the old records.

use crate::id::JobSeq;
use crate::turn::Turn;

impl Turn<'_> {
    pub(super) fn restate_jobs(&mut self, jobs: Vec<JobSeq>) {
        for restated in self.state.restate_jobs(jobs) {
            self.emit_again(restated);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::command::Command;
    use crate::id::JobSeq;
    use crate::testing::{Desk, job, lease_of, reject, secs};
    use crate::transition::{Sizes, Transition};

    #[test]
    fn jobs_that_only_wait_are_restated_together_and_others_alone() {
        let mut desk = Desk::new();
        desk.put("q", vec![job("a"), job("b"), job("cc"), job("d")]);
        let grants = desk.get("q", 1);
        desk.settle(lease_of(&grants[0]), reject()).unwrap();
        let written = desk.journal.len();
        let jobs = [4, 2, 1, 3, 3, 99].map(JobSeq).to_vec();
        desk.apply(Command::RestateJobs { jobs });
        let restated = &desk.journal[written..];
        let [
            Transition::JobRestated(dead),
            Transition::JobsRestated { first, sizes, .. },
        ] = restated
        else {
            panic!("{restated:?}");
        };
        assert_eq!((dead.job, *first), (JobSeq(1), JobSeq(2)));
        assert_eq!(*sizes, Sizes::Each([1, 2, 1].into()));
        desk.restart(secs(1)); // what is known stays as it is
        assert_eq!(desk.counts("q").total(), 4);
    }
}
