//! What a Tick has to do by itself.

use leaseq_engine::rejection::Rejection;
use leaseq_engine::time::Duration;
use leaseq_engine::transition::Requeue;

use crate::expect::{Answer, Expected};
use crate::reference::{Back, Due, Reference, State, Wait, Who};

impl Reference {
    pub fn expect_tick(&mut self, expected: &mut Expected) {
        let run_times: Vec<_> = self.due().into_iter().map(|(_, due)| due).collect();
        for (_, due) in self.due() {
            match due {
                Due::Ready(seq) => self.jobs.get_mut(&seq).unwrap().state = State::Ready,
                Due::Forget(seq) => drop(self.jobs.remove(&seq)),
                Due::Expire(seq) | Due::RunTime(seq) => {
                    let job = self.jobs.get(&seq);
                    let Some(State::Leased(lease)) = job.map(|job| &job.state) else {
                        continue;
                    };
                    let by_run_time = run_times.contains(&Due::RunTime(seq));
                    let by_lease = run_times.contains(&Due::Expire(seq));
                    let lost = match lease.who {
                        Who::Get => "the lease expired",
                        _ => "the worker's session was lost",
                    };
                    // Which of both comes first when a Tick is late is the engine's
                    // choice.
                    let passed = "max_run_time has passed";
                    let given = self.errors.get(&seq).cloned().unwrap_or_default();
                    let error = match (by_lease, by_run_time) {
                        (true, true) if given == passed => passed,
                        (true, _) => lost,
                        (false, _) => passed,
                    };
                    let how = match lease.who {
                        Who::Get if !lease.heard => Requeue::Unheard,
                        _ => Requeue::Expired,
                    };
                    if by_run_time {
                        self.ask(seq, !by_lease, expected);
                    }
                    self.end_attempt(seq, how, error, Back::At(Duration::ZERO));
                }
                Due::Session(id) => {
                    let session = self.sessions.get_mut(&id).unwrap();
                    if !session.gone {
                        expected.expired.push(id);
                    }
                    self.sessions.remove(&id);
                }
                Due::Wait(ticket) => {
                    let Some(at) = self.waits.iter().position(|(other, _)| *other == ticket) else {
                        continue;
                    };
                    let (_, wait) = self.waits.remove(at);
                    let answer = self.wait_over(&wait);
                    expected.replies.push((ticket, answer));
                }
            }
        }
    }

    /// What a WaitJob or WaitQueue sees in a Tick that does more depends on the
    /// order.
    pub fn wait_over(&self, wait: &Wait) -> Option<Answer> {
        match wait {
            Wait::Get(_) => Some(Ok(self.nothing())),
            Wait::Put(put) => {
                let queue = put.queue.clone();
                let jobs_max = self.queues[&queue].settings.jobs_max.unwrap_or(0);
                Some(Err(Rejection::QueueFull { queue, jobs_max }))
            }
            Wait::Job(..) | Wait::Queue(..) => None,
        }
    }
}
