//! From operations to commands: what an index means now.

use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use leaseq_engine::command::{
    Command, Extend, Flow, Get, NewJob, OpenSession, Put, Repeatable, SettingsChange, Settle,
    Settlement, Verdict,
};
use leaseq_engine::id::{
    JobId, JobSeq, JobsHash, LeaseNumber, LeaseRef, NamespaceTag, RequestId, Scope, SessionId,
    Ticket,
};
use leaseq_engine::rejection::Rejection;
use leaseq_engine::settings::QueueSettings;
use leaseq_engine::time::Time;
use leaseq_engine::transition::{ClockReading, Content, JobState};

use crate::ops::{Again, Op, PutOp, VerdictOp, ms};
use crate::runner::{Runner, STATES, queue};

impl Runner {
    pub fn command(&mut self, op: &Op) -> Option<Command> {
        let ticket = self.ticket();
        let scope = Scope::All;
        let random = self.random;
        Some(match op.clone() {
            Op::Put(put) => {
                let put = self.again(put);
                Command::Put(self.put(ticket, put))
            }
            Op::Get {
                queue: of,
                jobs,
                wait,
                auto,
                lease,
            } => Command::Get(Get {
                ticket,
                queue: queue(of),
                jobs_max: jobs,
                lease_duration: lease.map(ms),
                auto_complete: auto,
                until: self.until(wait),
                worker: "getter".into(),
            }),
            Op::Open {
                queues,
                jobs,
                bytes,
                lease,
                grace,
                held,
            } => {
                self.sessions += 1;
                let queues = (0..3).filter(|n| queues & (1 << n) != 0).map(queue);
                Command::OpenSession(OpenSession {
                    ticket,
                    session: SessionId(self.sessions),
                    queues: queues.collect(),
                    worker: "worker".into(),
                    flow: flow(jobs, bytes),
                    lease_duration: ms(lease),
                    grace: ms(grace),
                    held: held.into_iter().map(|n| self.lease_back(n)).collect(),
                    scope,
                })
            }
            Op::SetFlow {
                session,
                jobs,
                bytes,
            } => Command::SetFlow {
                session: self.session(session),
                flow: flow(jobs, bytes),
            },
            Op::Heartbeat(n) => Command::Heartbeat {
                session: self.session(n),
            },
            Op::DrainSession(n) => Command::DrainSession {
                session: self.session(n),
            },
            Op::CloseSession(n) => Command::CloseSession {
                session: self.session(n),
            },
            Op::Settle { session, verdicts } => Command::Settle(Settle {
                ticket,
                session: session.map(|n| self.session(n)),
                scope,
                settlements: verdicts
                    .into_iter()
                    .map(|(n, verdict)| self.settlement(n, verdict))
                    .collect(),
                random,
            }),
            Op::Extend {
                session,
                leases,
                duration,
            } => Command::Extend(Extend {
                ticket,
                session: session.map(|n| self.session(n)),
                scope,
                leases: leases.into_iter().map(|n| Ok(self.lease_back(n))).collect(),
                lease_duration: duration.map(ms),
                progress: if duration.is_some() {
                    "on".into()
                } else {
                    "".into()
                },
            }),
            Op::TakeBack(leases) => Command::TakeBack {
                leases: leases.into_iter().map(|n| self.lease_back(n)).collect(),
            },
            Op::Abandon(n) => Command::Abandon {
                ticket: self.model.waits.get(n)?.0,
            },
            Op::Cancel(n) => Command::CancelJob {
                ticket,
                scope,
                job: self.id_back(n),
                reason: if n % 2 == 0 { "unwanted" } else { "" }.into(),
            },
            Op::WaitJob { job, wait } => Command::WaitJob {
                ticket,
                scope,
                job: self.id_back(job),
                until: self.until(Some(wait)),
            },
            Op::WaitQueue {
                queue: of,
                settled,
                wait,
            } => Command::WaitQueue {
                ticket,
                queue: queue(of),
                settled,
                until: self.until(Some(wait)),
            },
            Op::Create(of, max) => Command::CreateQueue {
                ticket,
                queue: queue(of),
                settings: QueueSettings {
                    jobs_max: max,
                    ..self.config.queue_defaults.clone()
                },
            },
            Op::Bound(of, max) => Command::UpdateQueue {
                ticket,
                queue: queue(of),
                change: SettingsChange {
                    jobs_max: Some(max),
                    ..SettingsChange::default()
                },
                revision: None,
            },
            Op::Pause(of, paused) => Command::PauseQueue {
                ticket,
                queue: queue(of),
                paused,
            },
            Op::Delete(of) => Command::DeleteQueue {
                ticket,
                queue: queue(of),
            },
            Op::Purge(of, states, jobs_max) => Command::Purge {
                ticket,
                queue: queue(of),
                states: states_of(states),
                jobs_max,
            },
            Op::Redrive(of, jobs_max) => Command::Redrive {
                ticket,
                queue: queue(of),
                jobs_max,
            },
            Op::Stalled(by) => {
                self.model.now = self.model.now.after(ms(by));
                Command::Stalled { by: ms(by) }
            }
            Op::WallSet(by) => {
                let time = self.model.now;
                Command::ClocksRead(ClockReading {
                    time,
                    wall: Time::from_millis(time.as_millis().saturating_add_signed(by)),
                    running: ms(self.random >> 20),
                    boot: [3; 16],
                })
            }
            Op::Drain => Command::Drain,
            Op::Pass(_) | Op::Jump(_) | Op::Restart(_) | Op::Trim(_) => return None,
        })
    }

    /// The Put that is sent: a new one, or like the last one with the same request id.
    fn again(&mut self, new: PutOp) -> PutOp {
        let Some(id) = new.request_id else {
            return new;
        };
        let put = match (new.again, self.sent.get(&id).cloned()) {
            (None, _) | (_, None) => new,
            (Some(Again::Same), Some(last)) => last,
            (Some(Again::OtherBytes), Some(last)) => PutOp {
                fill: last.fill ^ 1,
                ..last
            },
            (Some(Again::OtherQueue), Some(last)) => PutOp {
                queue: (last.queue + 1) % 3,
                ..last
            },
        };
        self.sent.insert(id, put.clone());
        put
    }

    pub fn put(&self, ticket: Ticket, put: PutOp) -> Put {
        let repeatable = put.request_id.map(|id| Repeatable {
            id: RequestId(id + ((put.queue as u128 + 1) << 64)),
            uuid: RequestId(id),
            jobs: hash_of(&put),
        });
        let jobs = put.sizes.iter().map(|size| NewJob {
            content: content(put.fill, *size),
            priority: put.priority,
            ready_time: self.until(put.delay),
            max_attempts: put.max_attempts,
            retry: None,
            reply_to: put.reply_to.map(queue),
            run_time_max: put.run_time.map(ms),
            result_retention: put.retention.map(ms),
        });
        Put {
            ticket,
            queue: queue(put.queue),
            jobs: jobs.collect(),
            repeatable,
            until: self.until(put.wait),
        }
    }

    pub fn settlement(&self, n: usize, verdict: VerdictOp) -> Result<Settlement, Rejection> {
        if n == 39 {
            return Err(Rejection::TokenInvalid);
        }
        let verdict = match verdict {
            VerdictOp::Complete => Verdict::Complete {
                result: Bytes::from_static(b"result"),
            },
            VerdictOp::Fail(delay) => Verdict::Fail {
                error: "broke".into(),
                retry_delay: delay.map(ms),
            },
            VerdictOp::Reject => Verdict::Reject {
                error: "never".into(),
            },
            VerdictOp::Release(delay) => Verdict::Release { delay: ms(delay) },
        };
        let lease = self.lease_back(n);
        Ok(Settlement { lease, verdict })
    }

    pub fn lease_back(&self, n: usize) -> LeaseRef {
        let garbage = LeaseRef {
            job: JobSeq(3),
            lease: LeaseNumber(100_000),
        };
        let at = self.leases.len().checked_sub(n + 1);
        at.map_or(garbage, |at| self.leases[at])
    }

    pub fn id_back(&self, n: usize) -> JobId {
        let stranger = JobId::new(JobSeq(2), Time::from_millis(1), NamespaceTag::new(1));
        let at = self.ids.len().checked_sub(n + 1);
        at.map_or(stranger, |at| self.ids[at])
    }

    pub fn session(&self, n: usize) -> SessionId {
        SessionId(self.sessions.saturating_sub(n as u64).max(1))
    }

    pub fn until(&self, wait: Option<u64>) -> Option<Time> {
        wait.map(|wait| self.model.now.after(ms(wait)))
    }
}

/// Of what the caller says of the jobs: a delay stays the same whenever it is sent.
fn hash_of(put: &PutOp) -> JobsHash {
    let said = (&put.sizes, put.fill, put.priority, put.delay);
    let more = (put.max_attempts, put.reply_to, put.run_time, put.retention);
    let mut hasher = DefaultHasher::new();
    (said, more).hash(&mut hasher);
    JobsHash(u128::from(hasher.finish()).to_le_bytes())
}

fn content(fill: u8, size: u8) -> Content {
    Content {
        headers: Bytes::new(),
        payload: Bytes::from(vec![fill; usize::from(size)]),
    }
}

fn flow(jobs_max: usize, bytes_max: u64) -> Flow {
    Flow {
        jobs_max,
        bytes_max,
    }
}

fn states_of(bits: u8) -> Vec<JobState> {
    let chosen = STATES.into_iter().enumerate();
    let chosen = chosen.filter(|(n, _)| bits & (1 << n) != 0);
    chosen.map(|(_, state)| state).collect()
}
