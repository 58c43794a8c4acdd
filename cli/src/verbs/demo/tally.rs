//! The master's books: which results are still to come, and whether any came twice or wrong.

use std::collections::{HashMap, HashSet};

/// What the master put and what came back.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// The number that each job asks the square of, by job id.
    jobs: HashMap<String, u64>,
    /// The jobs whose result is here.
    answered: HashSet<String>,
    /// Outcome jobs seen. One that is delivered again after a crash is the same result, not a
    /// second one: its own id tells.
    outcomes: HashSet<String>,
    /// Results beyond the first for one job.
    doubled: Vec<String>,
    /// Results that are not the square, or of no job of ours.
    wrong: Vec<String>,
    /// Attempts beyond the first, over all jobs.
    repeats: u64,
}

/// One outcome as the master got it.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    pub(super) outcome_id: &'a str,
    pub(super) job_id: &'a str,
    pub(super) result: &'a [u8],
    pub(super) attempts: u32,
}

impl Tally {
    pub(super) fn put(&mut self, job_id: String, number: u64) {
        self.jobs.insert(job_id, number);
    }

    /// Takes an outcome; false if it was seen before.
    pub(super) fn take(&mut self, answer: &Answer<'_>) -> bool {
        if !self.outcomes.insert(answer.outcome_id.to_owned()) {
            return false;
        }
        let job_id = answer.job_id.to_owned();
        let Some(number) = self.jobs.get(answer.job_id) else {
            self.wrong.push(job_id);
            return true;
        };
        if answer.result != (number * number).to_string().as_bytes() {
            self.wrong.push(job_id.clone());
        }
        self.repeats += u64::from(answer.attempts.saturating_sub(1));
        if !self.answered.insert(job_id.clone()) {
            self.doubled.push(job_id);
        }
        true
    }

    pub(super) fn put_count(&self) -> usize {
        self.jobs.len()
    }

    pub(super) fn answered_count(&self) -> usize {
        self.answered.len()
    }

    pub(super) fn missing_count(&self) -> usize {
        self.put_count() - self.answered_count()
    }

    pub(super) fn doubled_count(&self) -> usize {
        self.doubled.len()
    }

    pub(super) fn wrong_count(&self) -> usize {
        self.wrong.len()
    }

    pub(super) fn repeats(&self) -> u64 {
        self.repeats
    }

    /// Whether every job gave exactly one result, the right one.
    pub(super) fn is_exact(&self) -> bool {
        self.missing_count() == 0 && self.doubled.is_empty() && self.wrong.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer<'a>(outcome_id: &'a str, job_id: &'a str, result: &'a str) -> Answer<'a> {
        Answer {
            outcome_id,
            job_id,
            result: result.as_bytes(),
            attempts: 1,
        }
    }

    fn two_jobs() -> Tally {
        let mut tally = Tally::default();
        tally.put("a".to_owned(), 3);
        tally.put("b".to_owned(), 4);
        tally
    }

    #[test]
    fn one_right_result_each_is_exact() {
        let mut tally = two_jobs();
        assert!(tally.take(&answer("1", "a", "9")));
        assert_eq!((tally.missing_count(), tally.is_exact()), (1, false));
        assert!(tally.take(&answer("2", "b", "16")));
        assert!(tally.is_exact());
    }

    #[test]
    fn the_same_outcome_again_is_not_a_second_result() {
        let mut tally = two_jobs();
        tally.take(&answer("1", "a", "9"));
        assert!(!tally.take(&answer("1", "a", "9")));
        assert_eq!(tally.doubled_count(), 0);
    }

    #[test]
    fn two_outcomes_of_one_job_are() {
        let mut tally = two_jobs();
        tally.take(&answer("1", "a", "9"));
        tally.take(&answer("2", "a", "9"));
        assert_eq!(tally.doubled_count(), 1);
    }

    #[test]
    fn wrong_and_foreign_results_are_noticed() {
        let mut tally = two_jobs();
        tally.take(&answer("1", "a", "10"));
        tally.take(&answer("2", "x", "9"));
        assert_eq!(tally.wrong_count(), 2);
    }

    #[test]
    fn attempts_beyond_the_first_are_counted() {
        let mut tally = two_jobs();
        tally.take(&Answer {
            attempts: 3,
            ..answer("1", "a", "9")
        });
        assert_eq!(tally.repeats(), 2);
    }
}
