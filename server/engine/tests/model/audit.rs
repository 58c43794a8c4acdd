//! What came out of the engine: every answer is the right one, every grant is the
//! next job in the ready order for someone who may have it, nobody is left waiting
//! for what is there, and the engine shows the same state as the reference.

use std::fmt::Debug;

use leaseq_engine::command::{Command, Get, Read};
use leaseq_engine::effect::{Effect, Grant, JobView, QueueView, Reply};
use leaseq_engine::id::{JobSeq, LeaseRef, QueueName, Scope, Ticket};
use leaseq_engine::rejection::Rejection;
use leaseq_engine::time::{Duration, Time};
use leaseq_engine::transition::{End, VerdictKind};

use crate::expect::Expected;
use crate::reference::{Job, Lease, State, Wait, Who};
use crate::runner::{Runner, STATES, reply_ticket};

impl Runner {
    pub fn audit(&mut self, command: &dyn Debug, effects: Vec<Effect>, mut expected: Expected) {
        let mut job_replies = Vec::new();
        for effect in effects {
            match effect {
                Effect::Reply { ticket, reply } => {
                    let due = expected.replies.iter().position(|(t, _)| *t == ticket);
                    if let Some(at) = due {
                        let (_, answer) = expected.replies.remove(at);
                        if let Some(answer) = answer {
                            assert_eq!(reply, answer, "after {command:?}");
                        } else {
                            assert!(reply.is_ok(), "{reply:?} after {command:?}");
                        }
                        self.note_ids(&reply);
                    } else if matches!(reply, Ok(Reply::JobWaited { .. })) {
                        job_replies.push((ticket, reply.unwrap()));
                    } else {
                        self.audit_late(ticket, reply);
                    }
                }
                Effect::Deliver {
                    session,
                    queue,
                    grants,
                    expire_time,
                } => {
                    let of = self.model.sessions[&session].clone();
                    assert!(of.queues.contains(&queue) && !of.gone && !of.draining);
                    assert_eq!(expire_time, of.expire_time);
                    assert!(!grants.is_empty() && grants.len() <= self.config.delivery_jobs_max);
                    let who = Who::Session(session);
                    let duration = of.lease_duration;
                    self.grant(&queue, &grants, who, duration, "worker");
                    let held = self.model.held(session).len();
                    let bytes = self.model.held_bytes(session);
                    assert!(held <= of.flow.jobs_max, "{held} held");
                    assert!(
                        held == 1 || bytes <= of.flow.bytes_max,
                        "{bytes} bytes held"
                    );
                }
                Effect::AskCancel { session, leases } => {
                    for lease in leases {
                        let asked = expected.asked.iter();
                        let at = asked
                            .clone()
                            .position(|(s, l, _)| (*s, *l) == (session, lease));
                        expected.asked.remove(at.expect("an expected AskCancel"));
                    }
                }
                Effect::SessionExpired { session } => {
                    let at = expected.expired.iter().position(|other| *other == session);
                    expected
                        .expired
                        .remove(at.expect("an expected SessionExpired"));
                }
                Effect::LedgerRestated { .. } => panic!("nobody asked"),
            }
        }
        assert_eq!(expected.replies, [], "not answered after {command:?}");
        assert!(
            expected.asked.iter().all(|(_, _, must)| !must),
            "{:?}",
            expected.asked
        );
        assert_eq!(expected.expired, []);
        job_replies.sort_by_key(|(ticket, _)| *ticket);
        self.model.job_answers.sort_by_key(|(ticket, _)| *ticket);
        assert_eq!(job_replies, self.model.job_answers, "after {command:?}");
        assert_eq!(self.model.outcome_places.len(), 0, "an outcome of nothing");
        self.model.sweep_sessions();
        if !self.unfinished {
            self.nobody_waits_in_vain();
        }
    }

    /// The answer to someone who waited.
    fn audit_late(&mut self, ticket: Ticket, reply: Result<Reply, Rejection>) {
        let at = self
            .model
            .waits
            .iter()
            .position(|(other, _)| *other == ticket);
        let (_, wait) = self.model.waits.remove(at.expect("someone who waits"));
        match (wait, reply) {
            (
                Wait::Get(get),
                Ok(Reply::Got {
                    grants,
                    expire_time,
                }),
            ) => {
                self.audit_got(&get, &grants, expire_time);
            }
            (Wait::Put(put), reply) => {
                let others = self.model.waits.iter().take(at.unwrap());
                for (_, other) in others {
                    let same = matches!(other, Wait::Put(p) if p.queue == put.queue);
                    assert!(!same, "the Puts of one queue are admitted in their order");
                }
                let answer = if self.model.never_fits(&put) {
                    self.model.may_put(&put, false).map(|_| unreachable!())
                } else {
                    match self.model.may_put(&put, false) {
                        Ok(Some(repeat)) => Ok(repeat),
                        Ok(None) => Ok(self.model.put(&put)),
                        Err(
                            rejection @ (Rejection::RequestIdReused
                            | Rejection::ReplyQueueFull { .. }),
                        ) => Err(rejection),
                        Err(other) => panic!("answered with {reply:?}, but {other}"),
                    }
                };
                assert_eq!(reply, answer);
                self.note_ids(&reply);
            }
            (Wait::Queue(queue, settled, _), Ok(Reply::QueueWaited { done, counts })) => {
                let left = counts.scheduled + counts.ready;
                assert!(
                    done && left == 0 && (!settled || counts.leased == 0),
                    "{queue:?}"
                );
            }
            (wait, reply) => panic!("{wait:?} was answered {reply:?}"),
        }
    }

    fn audit_got(&mut self, get: &Get, grants: &[Grant], expire_time: Time) {
        let queue = self.model.queues.get(&get.queue);
        if grants.is_empty() {
            let may_wait = get.until.is_some_and(|until| until > self.model.now);
            let ready = self.model.ready(&get.queue).len();
            let nothing = ready == 0 || queue.is_some_and(|queue| queue.paused);
            assert!(!may_wait && nothing, "{ready} ready, none for {get:?}");
            assert_eq!(expire_time, self.model.now);
            return;
        }
        assert!(grants.len() <= get.jobs_max);
        let duration = get
            .lease_duration
            .unwrap_or(queue.unwrap().settings.lease_duration);
        assert_eq!(expire_time, self.model.now.after(duration));
        self.grant(&get.queue, grants, Who::Get, duration, "getter");
        if get.auto_complete {
            for grant in grants {
                let lease = lease_of(grant);
                self.model.remember(lease, VerdictKind::Complete);
                self.model.end(grant.job, End::Completed, "", b"");
            }
        }
    }

    fn note_ids(&mut self, reply: &Result<Reply, Rejection>) {
        if let Ok(Reply::Put { ids, .. }) = reply {
            self.ids.extend(ids);
        }
    }

    /// The jobs are the next in the ready order, and the grants say what is true.
    fn grant(
        &mut self,
        queue: &QueueName,
        grants: &[Grant],
        who: Who,
        duration: Duration,
        worker: &str,
    ) {
        assert!(!self.model.draining && !self.model.queues[queue].paused);
        let granted: Vec<_> = grants.iter().map(|grant| grant.job).collect();
        let ready = self.model.ready(queue);
        assert_eq!(
            granted,
            ready[..granted.len().min(ready.len())],
            "the ready order"
        );
        for grant in grants {
            assert_eq!(grant.id, self.model.id(grant.job));
            assert_eq!(
                grant.lease.0, self.model.next_lease,
                "numbers are not reused"
            );
            self.model.granted.push(grant.lease.0);
            self.model.next_lease += 1;
            let now = self.model.now;
            let job = self.model.jobs.get_mut(&grant.job).unwrap();
            job.attempts += 1;
            assert_eq!(grant.attempt, job.attempts);
            assert_eq!(grant.max_attempts, job.settings.max_attempts);
            assert_eq!(grant.priority, job.settings.priority);
            assert_eq!(grant.run_time_max, job.settings.run_time_max);
            assert_eq!(grant.outcome.as_deref(), job.outcome.as_ref());
            job.state = State::Leased(Lease {
                number: grant.lease.0,
                grant_time: now,
                duration,
                expire_time: now.after(duration),
                who,
                heard: false,
                worker: worker.into(),
                progress: String::new(),
            });
            self.leases.push(lease_of(grant));
            if grant.outcome.is_some() {
                self.ids.push(grant.id);
            }
        }
    }

    fn nobody_waits_in_vain(&self) {
        let model = &self.model;
        for (ticket, wait) in &model.waits {
            match wait {
                Wait::Get(get) => {
                    assert!(get.until.is_some(), "{ticket:?} waits and may not");
                    let paused = model.queues.get(&get.queue).is_none_or(|q| q.paused);
                    assert!(paused || model.ready(&get.queue).is_empty(), "{get:?}");
                }
                Wait::Put(put) => {
                    let first = model.waits.iter().find_map(|(_, wait)| match wait {
                        Wait::Put(other) if other.queue == put.queue => Some(other),
                        _ => None,
                    });
                    let first = first.unwrap();
                    // One whose request id was used elsewhere meanwhile is refused
                    // when its queue changes, or at the end of its wait.
                    let stuck = !matches!(model.may_put(first, false), Ok(None));
                    assert!(stuck && !model.never_fits(first), "{first:?} could go on");
                }
                Wait::Job(seq, _) => assert!(model.jobs[seq].is_live()),
                Wait::Queue(queue, settled, _) => {
                    let now = model.queue_now(queue, *settled);
                    assert!(matches!(now, Reply::QueueWaited { done: false, .. }));
                }
            }
        }
        for (id, session) in &model.sessions {
            for queue in &session.queues {
                let idle = model.draining || !model.takes_more(*id, session, queue);
                assert!(idle, "{id:?} waits for {queue:?}");
            }
        }
    }

    /// The engine shows what the reference knows.
    pub fn compare(&mut self) {
        let queues = self.queue_views();
        let names: Vec<_> = queues.iter().map(|view| &view.name).collect();
        assert_eq!(names, self.model.queues.keys().collect::<Vec<_>>());
        for view in queues {
            self.compare_queue(&view);
            let state = STATES[self.random as usize % STATES.len()];
            let all = self.job_views(&view.name, None);
            let some = self.job_views(&view.name, Some(state));
            let of_state: Vec<_> = all.iter().filter(|job| job.state == state).collect();
            assert_eq!(some.iter().collect::<Vec<_>>(), of_state);
            let known = self.model.jobs.iter();
            let known = known.filter(|(_, job)| job.queue == view.name);
            let known: Vec<_> = known
                .map(|(seq, job)| self.expected_view(*seq, job))
                .collect();
            assert_eq!(all, known);
        }
    }

    fn compare_queue(&self, view: &QueueView) {
        let queue = &self.model.queues[&view.name];
        assert_eq!(view.settings, queue.settings);
        assert_eq!(view.paused, queue.paused);
        assert_eq!(view.revision, queue.revision);
        assert_eq!(view.create_time, queue.create_time);
        assert_eq!(view.counts, self.model.counts(&view.name));
        let of_queue = self
            .model
            .jobs
            .values()
            .filter(|job| job.queue == view.name);
        let live = of_queue.clone().filter(|job| job.is_live());
        assert_eq!(view.bytes, live.map(|job| u64::from(job.size)).sum::<u64>());
        let (waiting, held_up) = self.model.waiting(&view.name);
        assert_eq!((view.waiting, view.waiting_for_bytes), (waiting, held_up));
        let ready = of_queue.filter(|job| job.state == State::Ready);
        assert_eq!(view.oldest_ready, ready.map(|job| job.put_time).min());
    }

    fn expected_view(&self, seq: JobSeq, job: &Job) -> JobView {
        let lease = match &job.state {
            State::Leased(lease) => Some(lease),
            _ => None,
        };
        JobView {
            job: seq,
            id: self.model.id(seq),
            queue: job.queue.clone(),
            state: job.job_state(),
            settings: job.settings.clone(),
            ready_time: match job.state {
                State::Scheduled(at) => Some(at),
                _ => None,
            },
            expire_time: lease.map(|lease| self.model.expire_time(lease)),
            attempts: job.attempts,
            releases: job.releases,
            error: job.error.as_str().into(),
            worker: lease.map_or("", |lease| lease.worker.as_str()).into(),
            progress: lease.map_or("", |lease| lease.progress.as_str()).into(),
            size: job.size,
            cancel_requested: job.cancel.is_some(),
            outcome: job.outcome.clone().map(Box::new),
        }
    }

    fn look(&mut self, read: Read) -> Reply {
        let ticket = self.ticket();
        let scope = Scope::All;
        let effects = self.look_up(Command::Read {
            ticket,
            scope,
            read,
        });
        let [effect] = &effects[..] else {
            panic!("{effects:?}");
        };
        let (to, reply) = reply_ticket(effect).unwrap();
        assert_eq!(to, ticket);
        reply.clone().unwrap()
    }

    fn queue_views(&mut self) -> Vec<QueueView> {
        match self.look(Read::Queues {
            after: None,
            queues_max: 100,
        }) {
            Reply::Queues {
                queues,
                more: false,
            } => queues,
            other => panic!("{other:?}"),
        }
    }

    /// All pages.
    fn job_views(
        &mut self,
        queue: &QueueName,
        state: Option<leaseq_engine::transition::JobState>,
    ) -> Vec<JobView> {
        let mut views: Vec<JobView> = Vec::new();
        loop {
            let read = Read::Jobs {
                queue: queue.clone(),
                state,
                after: views.last().map(|view| view.job),
                jobs_max: 7,
            };
            let Reply::Jobs { jobs, more } = self.look(read) else {
                panic!("not jobs");
            };
            assert!(!more || jobs.len() == 7);
            views.extend(jobs);
            if !more {
                return views;
            }
        }
    }
}

fn lease_of(grant: &Grant) -> LeaseRef {
    LeaseRef {
        job: grant.job,
        lease: grant.lease,
    }
}
