//! Put: adds jobs, all or none.

use crate::command::{NewJob, Put};
use crate::deadlines::Deadline;
use crate::effect::Reply;
use crate::ending::job_settings;
use crate::id::{JobId, JobSeq, QueueId, QueueName};
use crate::rejection::Rejection;
use crate::settings::JobSettings;
use crate::space::{Space, Unwritten};
use crate::state::queue::Queue;
use crate::transition::{Content, PutJobs, Sizes, Transition};
use crate::turn::Turn;

use super::limit_reached;

/// What a Put may do now.
enum Admission {
    /// It was done before.
    Repeat(Vec<JobId>),
    /// It may be done.
    Admit,
    /// It has to wait for room.
    Full { queue: QueueId, jobs_max: u64 },
}

impl Turn<'_> {
    pub(super) fn put(&mut self, put: Put) {
        match self.admission(&put, true) {
            Err(rejection) => self.reply(put.ticket, Err(rejection)),
            Ok(Admission::Full { queue, jobs_max }) => self.block_put(put, queue, jobs_max),
            Ok(Admission::Repeat(ids)) => self.reply_repeat(&put, ids),
            Ok(Admission::Admit) => self.do_put(put),
        }
    }

    /// Does the Puts that wait for room in this queue, in their order, as far as
    /// there is room, until `end` steps are done.
    pub(crate) fn admit_blocked_puts(&mut self, queue: QueueId, end: usize) {
        if self.live.space > Space::Enough {
            return; // they wait for the disk as they do for their queue
        }
        while self.out.steps < end
            && let Some(first) = self.live.waits.first_blocked(queue)
        {
            self.out.steps += 1;
            let ticket = first.ticket;
            let admission = self.admission(first, false);
            if matches!(admission, Ok(Admission::Full { .. })) {
                return;
            }
            let Some(put) = self.take_blocked(ticket) else {
                return;
            };
            match admission {
                Err(rejection) => self.reply(ticket, Err(rejection)),
                Ok(Admission::Repeat(ids)) => self.reply_repeat(&put, ids),
                Ok(Admission::Admit) => self.do_put(put),
                Ok(Admission::Full { .. }) => return,
            }
        }
    }

    /// What the state says to this Put. One that is `new` goes behind those that
    /// wait for room already.
    fn admission(&self, put: &Put, new: bool) -> Result<Admission, Rejection> {
        if self.live.draining {
            return Err(Rejection::Draining);
        }
        if let Some(ids) = self.repeated(put)? {
            return Ok(Admission::Repeat(ids));
        }
        self.need(Space::Enough, Unwritten::Jobs)?;
        self.queues_may_be_created(put)?;
        let replies = replies(put);
        let own = replies.iter().find(|(queue, _)| **queue == put.queue);
        let count = count_of(put) + own.map_or(0, |(_, outcomes)| *outcomes);
        let Some((id, queue)) = self.state.queues.named(&put.queue) else {
            let reserved = self.state.reply_room.of(&put.queue);
            fits_at_all(put, count + reserved, self.config.queue_defaults.jobs_max)?;
            return self.outcomes_fit(put, &replies).map(|()| Admission::Admit);
        };
        fits_at_all(put, count, queue.settings.jobs_max)?;
        let others_wait = new && self.live.waits.first_blocked(id).is_some();
        match (queue.settings.jobs_max, self.state.room(queue)) {
            (Some(jobs_max), Some(room)) if others_wait || count > room => Ok(Admission::Full {
                queue: id,
                jobs_max,
            }),
            _ => self.outcomes_fit(put, &replies).map(|()| Admission::Admit),
        }
    }

    /// Whether the other queues that get outcomes have room for them. No Put waits for
    /// that: it would hold up those behind it for what another master does not collect.
    fn outcomes_fit(&self, put: &Put, replies: &[(&QueueName, u64)]) -> Result<(), Rejection> {
        for (name, count) in replies.iter().filter(|(queue, _)| **queue != put.queue) {
            self.outcome_fits(name, *count)?;
        }
        Ok(())
    }

    /// Whether the queue has room for so many more outcomes.
    pub(super) fn outcome_fits(&self, name: &QueueName, count: u64) -> Result<(), Rejection> {
        let (jobs_max, room) = match self.state.queues.named(name) {
            Some((_, queue)) => (queue.settings.jobs_max, self.state.room(queue)),
            None => {
                let max = self.config.queue_defaults.jobs_max;
                let reserved = self.state.reply_room.of(name);
                (max, max.map(|max| max.saturating_sub(reserved)))
            }
        };
        match (jobs_max, room) {
            (Some(jobs_max), Some(room)) if count > room => {
                let queue = (*name).clone();
                Err(Rejection::ReplyQueueFull { queue, jobs_max })
            }
            _ => Ok(()),
        }
    }

    /// The ids of the first answer, if this Put was done before.
    fn repeated(&self, put: &Put) -> Result<Option<Vec<JobId>>, Rejection> {
        let Some(repeatable) = put.repeatable else {
            return Ok(None);
        };
        let remembered = &self.state.remembered;
        let Some(done) = remembered.get(repeatable.id, repeatable.uuid, self.now) else {
            return Ok(None);
        };
        let same_jobs = match done.jobs {
            PutJobs::Hash(jobs) => jobs == repeatable.jobs,
            PutJobs::Size { queue, size } => {
                self.may_be_queue(queue, &put.queue) && size == total_size(put)
            }
        };
        let count = u64::try_from(put.jobs.len()).unwrap_or(u64::MAX);
        if !same_jobs || u64::from(done.count) != count {
            return Err(Rejection::RequestIdReused);
        }
        let ids = (0..u64::from(done.count))
            .map(|n| self.state.id_of(done.first.plus(n), done.put_time))
            .collect();
        Ok(Some(ids))
    }

    /// Whether a queue has this name, or had: the name of a deleted queue is not known.
    fn may_be_queue(&self, id: QueueId, name: &QueueName) -> bool {
        let queue = self.state.queues.get(id);
        queue.is_none_or(|queue| queue.name == *name)
    }

    /// Whether the queues this Put names exist or may be created.
    fn queues_may_be_created(&self, put: &Put) -> Result<(), Rejection> {
        let missing = self.missing_queues(put);
        let Some(first) = missing.first() else {
            return Ok(());
        };
        if !self.config.auto_create_queues {
            let queue = first.clone();
            return Err(Rejection::QueueNotFound { queue });
        }
        self.queues_fit(&missing)
    }

    /// Whether these queues may be created. A queue that outcomes will create again, because
    /// it was deleted while jobs reply to it, has its place already.
    pub(super) fn queues_fit(&self, missing: &[QueueName]) -> Result<(), Rejection> {
        let max = self.config.queues_max;
        let at_most = self.state.queues.len() + self.state.reply_room.len() + missing.len();
        if at_most <= max {
            return Ok(());
        }
        let has_no_place = |name: &&QueueName| self.state.reply_room.of(name) == 0;
        let new = missing.iter().filter(has_no_place).count();
        if self.state.queues_taken() + new > max {
            return Err(limit_reached("limits.queues", max));
        }
        Ok(())
    }

    fn missing_queues(&self, put: &Put) -> Vec<QueueName> {
        let mut missing: Vec<QueueName> = Vec::new();
        let mut last = None;
        let reply_to = put.jobs.iter().filter_map(|job| job.reply_to.as_ref());
        for name in std::iter::once(&put.queue).chain(reply_to) {
            // Usually all jobs of a Put name the same one.
            if last != Some(name) && !missing.contains(name) {
                if self.state.queues.named(name).is_none() {
                    missing.push(name.clone());
                }
                last = Some(name);
            }
        }
        missing
    }

    fn block_put(&mut self, put: Put, queue: QueueId, jobs_max: u64) {
        let ticket = put.ticket;
        let Some(until) = self.waits_until(put.until) else {
            let queue = put.queue;
            return self.reply(ticket, Err(Rejection::QueueFull { queue, jobs_max }));
        };
        // Jobs without content take memory too.
        let content = usize::try_from(total_size(&put)).unwrap_or(usize::MAX);
        let bytes = content.saturating_add(size_of::<NewJob>() * put.jobs.len());
        let bytes_all = self.live.waits.blocked_bytes().saturating_add(bytes);
        let bytes_max = self.config.blocked_bytes_max;
        let may_wait = match self.room_to_wait() {
            Ok(()) if bytes_all > bytes_max => {
                Err(limit_reached("limits.blocked_bytes", bytes_max))
            }
            may_wait => may_wait,
        };
        if let Err(rejection) = may_wait {
            return self.reply(ticket, Err(rejection));
        }
        self.live.deadlines.insert(until, Deadline::Wait(ticket));
        self.live.waits.block(queue, put, bytes, until);
    }

    fn take_blocked(&mut self, ticket: crate::id::Ticket) -> Option<Put> {
        use crate::live::wait::Waiting;
        match self.stop_waiting(ticket)?.what {
            Waiting::Put { put, .. } => Some(put),
            Waiting::Get(_) | Waiting::Job(_) | Waiting::Queue { .. } => None,
        }
    }

    fn reply_repeat(&mut self, put: &Put, ids: Vec<JobId>) {
        let reply = Reply::Put {
            ids,
            deduplicated: true,
        };
        self.reply(put.ticket, Ok(reply));
    }

    /// Adds the jobs: the state has agreed.
    fn do_put(&mut self, put: Put) {
        for name in self.missing_queues(&put) {
            self.create_queue(&name, self.config.queue_defaults.clone());
        }
        let Some((queue, of)) = self.state.queues.named(&put.queue) else {
            return;
        };
        let first = self.state.next_job;
        let count = put.jobs.len();
        let added = split(put.jobs, of, first, queue, self.now);
        for added in added {
            self.emit(added);
        }
        if let Some(repeatable) = put.repeatable {
            self.emit(Transition::PutRemembered {
                request_id: repeatable.id,
                first,
                count: u32::try_from(count).unwrap_or(u32::MAX),
                jobs: PutJobs::Hash(repeatable.jobs),
                put_time: self.now,
            });
        }
        let ids = (first.0..)
            .take(count)
            .map(|seq| self.state.id_of(JobSeq(seq), self.now))
            .collect();
        let reply = Reply::Put {
            ids,
            deduplicated: false,
        };
        self.reply(put.ticket, Ok(reply));
        self.touch(queue);
    }
}

/// One transition for each stretch of jobs that are told the same.
fn split(
    jobs: Vec<NewJob>,
    of: &Queue,
    first: JobSeq,
    queue: QueueId,
    now: crate::time::Time,
) -> Vec<Transition> {
    let mut added = Vec::new();
    let mut stretch: Option<(JobSettings, Vec<u32>, Vec<Content>)> = None;
    let mut next = first;
    let close = |stretch: Option<(JobSettings, Vec<u32>, Vec<Content>)>, next: &mut JobSeq| {
        let (settings, sizes, contents) = stretch?;
        let sizes = Sizes::of(&sizes);
        let first = *next;
        *next = first.plus(u64::from(sizes.count()));
        Some(Transition::JobsAdded {
            first,
            queue,
            put_time: now,
            settings,
            sizes,
            contents,
        })
    };
    // Nearly always all are told the same. If not, stretches are mostly short.
    let mut room = jobs.len();
    for job in jobs {
        let settings = job_settings(&job, &of.settings, now);
        match &mut stretch {
            Some((same, sizes, contents)) if *same == settings => {
                sizes.push(job.content.size());
                contents.push(job.content);
            }
            _ => {
                added.extend(close(stretch.take(), &mut next));
                let mut sizes = Vec::with_capacity(room);
                sizes.push(job.content.size());
                let mut contents = Vec::with_capacity(room);
                contents.push(job.content);
                room = 0;
                stretch = Some((settings, sizes, contents));
            }
        }
    }
    added.extend(close(stretch, &mut next));
    added
}

/// Waiting does not help a Put that is larger than its queue.
fn fits_at_all(put: &Put, count: u64, jobs_max: Option<u64>) -> Result<(), Rejection> {
    match jobs_max {
        Some(jobs_max) if count > jobs_max => Err(Rejection::QueueFull {
            queue: put.queue.clone(),
            jobs_max,
        }),
        _ => Ok(()),
    }
}

fn count_of(put: &Put) -> u64 {
    u64::try_from(put.jobs.len()).unwrap_or(u64::MAX)
}

/// The queues that get outcomes of this Put, and how many.
fn replies(put: &Put) -> Vec<(&QueueName, u64)> {
    let mut replies: Vec<(&QueueName, u64)> = Vec::new();
    for name in put.jobs.iter().filter_map(|job| job.reply_to.as_ref()) {
        // Usually all jobs of a Put name the same one.
        match replies.iter_mut().rev().find(|(other, _)| *other == name) {
            Some((_, count)) => *count += 1,
            None => replies.push((name, 1)),
        }
    }
    replies
}

fn total_size(put: &Put) -> u64 {
    let sizes = put.jobs.iter().map(|job| u64::from(job.content.size()));
    sizes.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Command, Repeatable};
    use crate::effect::Counts;
    use crate::id::{JobsHash, RequestId};
    use crate::settings::{EngineConfig, QueueSettings};
    use crate::testing::{Desk, complete, job, lease_of, name, secs};

    /// A desk whose queues hold at most `jobs_max` jobs.
    fn bounded(jobs_max: u64) -> Desk {
        Desk::with(EngineConfig {
            queue_defaults: QueueSettings {
                jobs_max: Some(jobs_max),
                ..QueueSettings::default()
            },
            ..EngineConfig::default()
        })
    }

    #[test]
    fn a_put_job_is_leased_completed_and_gone() {
        let mut desk = Desk::new();
        let ids = desk.put("q", vec![job("a"), job("b")]);
        let grants = desk.get("q", 10);
        assert_eq!(grants.iter().map(|g| g.id).collect::<Vec<_>>(), ids);
        for grant in &grants {
            assert_eq!(desk.settle(lease_of(grant), complete()), Ok(()));
        }
        assert_eq!(desk.counts("q"), Counts::default());
        desk.restart(secs(1));
        assert_eq!(desk.counts("q"), Counts::default());
    }

    #[test]
    fn a_request_id_sent_again_adds_nothing_also_after_a_restart() {
        let mut desk = Desk::new();
        let mut put = desk.put_command("q", vec![job("a"), job("b")]);
        put.repeatable = Some(repeatable(1, 1));
        let Some(Ok(Reply::Put { ids, .. })) = desk.send_put(put.clone()) else {
            panic!("not put");
        };
        desk.pass(secs(2));
        let repeat = Reply::Put {
            ids,
            deduplicated: true,
        };
        assert_eq!(desk.send_put(put.clone()), Some(Ok(repeat.clone())));
        desk.restart(secs(1));
        assert_eq!(desk.send_put(put.clone()), Some(Ok(repeat)));
        assert_eq!(desk.counts("q").ready, 2);

        put.repeatable = Some(repeatable(1, 2));
        let reused = Some(Err(Rejection::RequestIdReused));
        assert_eq!(desk.send_put(put.clone()), reused);
        desk.pass(secs(600));
        let again = desk.send_put(put);
        assert!(matches!(
            again,
            Some(Ok(Reply::Put {
                deduplicated: false,
                ..
            }))
        ));
    }

    /// The hash is what the caller of the engine makes of the jobs.
    fn repeatable(id: u128, jobs: u8) -> Repeatable {
        Repeatable {
            id: RequestId(id),
            uuid: RequestId(id),
            jobs: JobsHash([jobs; 16]),
        }
    }

    /// What an earlier version wrote is compared as that version did it.
    #[test]
    fn a_put_of_an_earlier_version_is_known_by_count_and_size() {
        let mut desk = Desk::new();
        let ids = desk.put("q", vec![job("a"), job("b")]);
        let queue = desk.journal.iter().find_map(|it| {
            if let Transition::JobsAdded { queue, .. } = it {
                Some(*queue)
            } else {
                None
            }
        });
        desk.journal.push(Transition::PutRemembered {
            request_id: RequestId(7),
            first: ids[0].seq(),
            count: 2,
            jobs: PutJobs::Size {
                queue: queue.unwrap(),
                size: 2,
            },
            put_time: desk.now,
        });
        desk.restart(secs(1));
        let mut put = desk.put_command("q", vec![job("a"), job("b")]);
        put.repeatable = Some(Repeatable {
            uuid: RequestId(7),
            ..repeatable(1, 1)
        });
        let repeat = Reply::Put {
            ids,
            deduplicated: true,
        };
        assert_eq!(desk.send_put(put.clone()), Some(Ok(repeat)));
        put.queue = name("other");
        let other_queue = desk.put_command("other", vec![job("x")]);
        desk.send_put(other_queue);
        let reused = Some(Err(Rejection::RequestIdReused));
        assert_eq!(desk.send_put(put.clone()), reused);
        put.queue = name("q");
        put.jobs.pop();
        assert_eq!(desk.send_put(put), reused);
    }

    #[test]
    fn one_put_says_different_things_to_its_jobs() {
        let mut desk = Desk::new();
        let mut urgent = job("urgent");
        urgent.priority = 5;
        let ids = desk.put("q", vec![job("a"), job("bb"), urgent, job("c")]);
        let order: Vec<_> = desk.get("q", 10).iter().map(|grant| grant.id).collect();
        assert_eq!(order, [ids[2], ids[0], ids[1], ids[3]]);
    }

    #[test]
    fn a_full_queue_refuses_or_lets_wait_in_order() {
        let mut desk = bounded(2);
        desk.put("q", vec![job("a"), job("b")]);
        let full = Rejection::QueueFull {
            queue: name("q"),
            jobs_max: 2,
        };
        let put = desk.put_command("q", vec![job("c")]);
        assert_eq!(desk.send_put(put), Some(Err(full.clone())));

        let until = Some(desk.now.after(secs(10)));
        let waiting = ["c", "d", "e"].map(|payload| {
            let mut put = desk.put_command("q", vec![job(payload)]);
            put.until = until;
            let ticket = put.ticket;
            assert_eq!(desk.send_put(put), None);
            ticket
        });
        // Larger than the queue: waiting would not help.
        let mut put = desk.put_command("q", vec![job("x"); 3]);
        put.until = until;
        assert_eq!(desk.send_put(put), Some(Err(full.clone())));

        let grants = desk.get("q", 2);
        assert_eq!(desk.answer(waiting[0]), None, "leased jobs count");
        desk.settle(lease_of(&grants[0]), complete()).unwrap();
        assert!(matches!(
            desk.answer(waiting[0]),
            Some(Ok(Reply::Put { .. }))
        ));
        assert_eq!(desk.answer(waiting[1]), None);
        desk.apply(Command::Abandon { ticket: waiting[1] });
        desk.settle(lease_of(&grants[1]), complete()).unwrap();
        assert!(matches!(
            desk.answer(waiting[2]),
            Some(Ok(Reply::Put { .. }))
        ));
        assert_eq!(desk.answer(waiting[1]), None);
    }

    #[test]
    fn outcomes_fit_the_bound_of_their_queue_whenever_they_come() {
        let mut desk = bounded(2);
        let mut told = job("a");
        told.reply_to = Some(name("replies"));
        let ids = desk.put("q", vec![told.clone(), told.clone()]);
        let put = desk.put_command("other", vec![told.clone()]);
        let full = Some(Err(Rejection::ReplyQueueFull {
            queue: name("replies"),
            jobs_max: 2,
        }));
        assert_eq!(desk.send_put(put.clone()), full, "two are still to come");
        desk.restart(secs(1));
        assert_eq!(desk.send_put(put.clone()), full);
        let direct = desk.put_command("replies", vec![job("b")]);
        assert!(matches!(
            desk.send_put(direct),
            Some(Err(Rejection::QueueFull { .. }))
        ));
        // A deleted reply queue keeps its room.
        let delete = |ticket| Command::DeleteQueue {
            ticket,
            queue: name("replies"),
        };
        desk.ask(delete).unwrap();
        assert_eq!(desk.send_put(put.clone()), full);
        ids.iter().for_each(|id| drop(desk.cancel(*id).unwrap()));
        assert_eq!(desk.counts("replies").ready, 2);
        assert_eq!(desk.send_put(put.clone()), full, "two wait to be collected");
        for grant in desk.get("replies", 2) {
            desk.settle(lease_of(&grant), complete()).unwrap();
        }
        assert!(matches!(desk.send_put(put), Some(Ok(_))));
    }

    #[test]
    fn a_deleted_reply_queue_keeps_its_place_among_the_queues() {
        let mut desk = Desk::with(EngineConfig {
            queues_max: 2,
            ..EngineConfig::default()
        });
        let mut told = job("a");
        told.reply_to = Some(name("replies"));
        let ids = desk.put("q", vec![told]);
        let delete = |ticket| Command::DeleteQueue {
            ticket,
            queue: name("replies"),
        };
        desk.ask(delete).unwrap();
        let third = desk.put_command("third", vec![job("b")]);
        let refused = desk.send_put(third);
        assert!(matches!(refused, Some(Err(Rejection::LimitReached { .. }))));
        desk.cancel(ids[0]).unwrap();
        assert_eq!(desk.counts("replies").ready, 1);
    }

    #[test]
    fn a_put_that_waits_too_long_is_refused() {
        let mut desk = bounded(1);
        desk.put("q", vec![job("a")]);
        let mut put = desk.put_command("q", vec![job("b")]);
        put.until = Some(desk.now.after(secs(10)));
        let ticket = put.ticket;
        assert_eq!(desk.send_put(put), None);
        desk.pass(secs(9));
        assert_eq!(desk.answer(ticket), None);
        desk.pass(secs(1));
        assert!(matches!(
            desk.answer(ticket),
            Some(Err(Rejection::QueueFull { .. }))
        ));
    }

    #[test]
    fn waiting_puts_are_bounded_in_bytes() {
        let mut desk = Desk::with(EngineConfig {
            blocked_bytes_max: 5 + size_of::<NewJob>(),
            queue_defaults: QueueSettings {
                jobs_max: Some(1),
                ..QueueSettings::default()
            },
            ..EngineConfig::default()
        });
        desk.put("q", vec![job("a")]);
        let until = Some(desk.now.after(secs(10)));
        let mut put = desk.put_command("q", vec![job("1234")]);
        put.until = until;
        assert_eq!(desk.send_put(put), None);
        let mut put = desk.put_command("q", vec![job("12")]);
        put.until = until;
        let refused = desk.send_put(put);
        let Some(Err(Rejection::LimitReached { limit, .. })) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(limit, "limits.blocked_bytes");
    }

    #[test]
    fn queues_appear_only_if_they_may() {
        let mut desk = Desk::with(EngineConfig {
            auto_create_queues: false,
            ..EngineConfig::default()
        });
        let put = desk.put_command("q", vec![job("a")]);
        let missing = Rejection::QueueNotFound { queue: name("q") };
        assert_eq!(desk.send_put(put), Some(Err(missing)));

        let mut desk = Desk::with(EngineConfig {
            queues_max: 1,
            ..EngineConfig::default()
        });
        desk.put("q", vec![job("a")]);
        let mut with_reply = job("b");
        with_reply.reply_to = Some(name("replies"));
        let put = desk.put_command("q", vec![with_reply]);
        let limit = Rejection::LimitReached {
            limit: "limits.queues",
            max: 1,
        };
        assert_eq!(desk.send_put(put), Some(Err(limit)));
        assert_eq!(desk.counts("q").ready, 1, "all or nothing");
    }

    #[test]
    fn a_delayed_job_becomes_ready_in_its_time_also_after_a_restart() {
        let mut desk = Desk::new();
        let mut delayed = job("a");
        delayed.ready_time = Some(desk.now.after(secs(10)));
        desk.put("q", vec![delayed]);
        assert_eq!(desk.counts("q").scheduled, 1);
        desk.restart(secs(4));
        desk.pass(secs(5));
        assert_eq!(desk.get("q", 1), []);
        desk.pass(secs(1));
        assert_eq!(desk.get("q", 1).len(), 1);
    }
}
