//! Transitions of one batch that can be told as one: what a replay makes of them is
//! the same, and a store, a restart and the journal's bytes have less to do.

use super::{Sizes, Transition};
use crate::state::groups::SIZES_EACH_MAX;

/// A transition of so many jobs takes no more: a reader need not expect larger ones
/// than a few calls can make.
const JOBS_MAX: u32 = 1 << 14;

impl Transition {
    /// Takes `next` in, which has become true right after this, or gives it back.
    pub(crate) fn join(&mut self, next: Self) -> Option<Self> {
        match (self, next) {
            (Self::JobsCompleted { leases }, Self::JobsCompleted { leases: mut more })
                if leases.len() < JOBS_MAX as usize =>
            {
                leases.append(&mut more);
                None
            }
            (
                Self::JobsRequeued {
                    leases,
                    how,
                    charged,
                    error,
                },
                Self::JobsRequeued {
                    leases: more,
                    how: how_of_next,
                    charged: charged_of_next,
                    error: error_of_next,
                },
            ) => {
                let same_cause = (*how, *charged) == (how_of_next, charged_of_next);
                if same_cause && *error == error_of_next && leases.len() < JOBS_MAX as usize {
                    leases.extend(more);
                    return None;
                }
                Some(Self::JobsRequeued {
                    leases: more,
                    how: how_of_next,
                    charged: charged_of_next,
                    error: error_of_next,
                })
            }
            (
                Self::JobsAdded {
                    first,
                    queue,
                    put_time,
                    settings,
                    sizes,
                    contents,
                },
                Self::JobsAdded {
                    first: first_of_next,
                    queue: queue_of_next,
                    put_time: put_time_of_next,
                    settings: settings_of_next,
                    sizes: sizes_of_next,
                    contents: contents_of_next,
                },
            ) => {
                let together = first.plus(u64::from(sizes.count())) == first_of_next
                    && (*queue, *put_time) == (queue_of_next, put_time_of_next)
                    && *settings == settings_of_next
                    && sizes.join(&sizes_of_next);
                if together {
                    contents.extend(contents_of_next);
                    return None;
                }
                Some(Self::JobsAdded {
                    first: first_of_next,
                    queue: queue_of_next,
                    put_time: put_time_of_next,
                    settings: settings_of_next,
                    sizes: sizes_of_next,
                    contents: contents_of_next,
                })
            }
            (_, next) => Some(next),
        }
    }
}

impl Sizes {
    /// Takes the sizes of the next jobs in. False: they would be too many.
    fn join(&mut self, next: &Self) -> bool {
        let all = self.count().saturating_add(next.count());
        match (&mut *self, next) {
            (
                Self::Uniform { count, size },
                Self::Uniform {
                    size: of_next,
                    count: more,
                },
            ) if size == of_next && all <= JOBS_MAX => *count += more,
            _ if all > SIZES_EACH_MAX => return false,
            (Self::Uniform { .. }, _) => {
                *self = Self::Each(self.iter().chain(next.iter()).collect())
            }
            (Self::Each(sizes), _) => sizes.extend(next.iter()),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Command, NewJob, Settlement};
    use crate::testing::{Desk, complete, job, lease_of, secs, settle_command};

    fn each(sizes: &[u32]) -> Sizes {
        Sizes::Each(sizes.to_vec())
    }

    #[test]
    fn sizes_stay_uniform_as_long_as_they_are() {
        let mut sizes = Sizes::of(&[7, 7]);
        assert!(sizes.join(&Sizes::of(&[7])));
        assert_eq!(sizes, Sizes::Uniform { count: 3, size: 7 });
        assert!(sizes.join(&Sizes::of(&[1, 2])) && sizes.join(&Sizes::of(&[3])));
        assert_eq!(sizes, each(&[7, 7, 7, 1, 2, 3]));
        assert!(!sizes.join(&Sizes::of(&[1; SIZES_EACH_MAX as usize])));
        assert_eq!(sizes, each(&[7, 7, 7, 1, 2, 3]), "all or nothing");
    }

    fn put(desk: &mut Desk, queue: &str, job: NewJob) -> Command {
        Command::Put(desk.put_command(queue, vec![job]))
    }

    #[test]
    fn puts_and_verdicts_that_came_together_are_one_transition_each() {
        let mut desk = Desk::new();
        let puts = ["a", "b", "other"].map(|payload| put(&mut desk, "q", job(payload)));
        let put = desk.together(puts.into());
        let [
            Transition::QueueSet { .. },
            Transition::JobsAdded {
                sizes, contents, ..
            },
        ] = &put[..]
        else {
            panic!("{put:?}");
        };
        assert_eq!((sizes, contents.len()), (&each(&[1, 1, 5]), 3));
        let leases: Vec<_> = desk.get("q", 3).iter().map(lease_of).collect();
        let settles = leases.iter().map(|lease| {
            let verdict = complete();
            let settlement = Settlement {
                lease: *lease,
                verdict,
            };
            settle_command(desk.ticket(), vec![Ok(settlement)])
        });
        let settles = settles.collect();
        let settled = desk.together(settles);
        assert_eq!(settled, [Transition::JobsCompleted { leases }]);
        desk.restart(secs(1));
    }

    #[test]
    fn jobs_that_were_told_otherwise_stay_apart() {
        let mut desk = Desk::new();
        let urgent = NewJob {
            priority: 1,
            ..job("b")
        };
        let jobs = [
            ("q", job("a")),
            ("q", urgent),
            ("r", job("c")),
            ("q", job("d")),
        ];
        let puts = jobs.map(|(queue, job)| put(&mut desk, queue, job));
        let put = desk.together(puts.into());
        let added = put
            .iter()
            .filter(|it| matches!(it, Transition::JobsAdded { .. }));
        assert_eq!(added.count(), 4);
    }
}
