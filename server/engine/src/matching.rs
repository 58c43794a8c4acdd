//! Who gets ready jobs. The only place that grants leases.
//!
//! Sessions and Gets stand in one line per queue, and every ready job goes through
//! it: no path jumps the ready order. A round goes once through the line and gives
//! each an equal part of what is ready, so that nobody hoards; a session that can
//! take more goes to the end, a Get leaves with what it got.

use crate::effect::{Effect, Grant, Reply};
use crate::id::{JobSeq, LeaseNumber, LeaseRef, QueueId, QueueName, SessionId, Ticket};
use crate::live::line::Line;
use crate::live::wait::{Wait, Waiting};
use crate::live::{Note, Waiter};
use crate::space::GRANT_BYTES;
use crate::state::ready::Ready;
use crate::time::Duration;
use crate::transition::{Holder, Transition};
use crate::turn::Turn;

/// The jobs picked for one waiter.
#[derive(Default)]
struct Picked {
    jobs: Vec<JobSeq>,
    sizes: Vec<u32>,
    grants: Vec<Grant>,
}

impl Turn<'_> {
    /// Gives the ready jobs of a queue to those who wait for them, until `end` steps are
    /// done.
    pub(crate) fn match_queue(&mut self, id: QueueId, end: usize) {
        let mut left_in_round = 0;
        while !self.live.draining && self.out.steps < end {
            let Some(queue) = self.state.queues.get(id) else {
                return;
            };
            if queue.paused || queue.counts.ready == 0 {
                return;
            }
            let line = self.live.line(&queue.name);
            let Some((place, waiter)) = line.and_then(Line::first) else {
                let name = queue.name.clone();
                if self.recall_tight(id, &name) {
                    continue;
                }
                return;
            };
            let grants_max = self.grants_in_room();
            if grants_max == 0 {
                return self.live.starved = true;
            }
            if left_in_round == 0 {
                left_in_round = line.map_or(1, Line::len);
            }
            let ready = usize::try_from(queue.counts.ready).unwrap_or(usize::MAX);
            let part_max = grants_max.min(end - self.out.steps);
            let part = (ready / left_in_round).clamp(1, part_max);
            left_in_round -= 1;
            self.out.steps += 1;
            let name = queue.name.clone();
            match waiter {
                Waiter::Session(session) => self.serve_session(session, id, &name, part),
                Waiter::Get(ticket) => self.serve_get(ticket, id, part),
            }
            // I13: whoever was served has left that place. Without it this would
            // never end.
            let still_there = self.live.line(&name).and_then(|line| line.get(place));
            assert_eq!(
                still_there, None,
                "I13: {waiter:?} was served and has not moved"
            );
        }
    }

    /// Delivers up to `part` jobs to the session at the head of the line. One that
    /// can take no more leaves every line; one for which just the next job is too
    /// large leaves this one and waits for byte room.
    fn serve_session(&mut self, id: SessionId, queue: QueueId, name: &QueueName, part: usize) {
        let Some(session) = self.live.sessions.get(&id) else {
            return;
        };
        let max = part
            .min(session.room())
            .min(self.config.delivery_jobs_max.max(1));
        let bytes_room = session.byte_room();
        let one_whatever_size = session.held.is_empty();
        let duration = session.lease_duration;
        let expire_time = self.state.lease_clock.time(session.expire_time);
        let picked = self.pick(queue, max, bytes_room, one_whatever_size);
        self.live.leave_session(id, Some(name));
        if picked.jobs.is_empty() {
            self.live.wait_for_room(id, name, bytes_room);
            return;
        }
        let (jobs, sizes, grants) = self.grant(picked, Holder::Session, Some(id), duration);
        if let Some(session) = self.live.sessions.get_mut(&id) {
            session.held.reserve(jobs.len());
            for (job, size) in jobs.iter().zip(&sizes) {
                session.hold(*job, *size);
            }
            let served = session.queues.iter().position(|spot| spot.queue == *name);
            session.turn = served.map_or(0, |at| at + 1);
            if session.can_take_more() {
                // This line alone: in one where the next job was too large it would
                // stand without being looked at.
                self.live.stand_session(id, Some(name));
            } else {
                self.live.leave_session(id, None);
            }
        }
        self.out.effects.push(Effect::Deliver {
            session: id,
            queue: name.clone(),
            grants,
            expire_time,
        });
    }

    /// Puts the session with the most byte room back in line if the first ready job fits
    /// it now: the job that was too large for it may have gone elsewhere. False: none.
    fn recall_tight(&mut self, id: QueueId, name: &QueueName) -> bool {
        let Some((room, session)) = self.live.tight.roomiest(name) else {
            return false;
        };
        if self
            .state
            .first_ready_size(id)
            .is_none_or(|size| size > room)
        {
            return false;
        }
        self.live.stand_session(session, Some(name));
        true
    }

    /// Answers the Get at the head of the line with up to `part` jobs.
    fn serve_get(&mut self, ticket: Ticket, id: QueueId, part: usize) {
        let Some(get) = self.stop_waiting(ticket) else {
            return;
        };
        let Waiting::Get(get) = get.what else { return };
        let Some(queue) = self.state.queues.get(id) else {
            return;
        };
        let duration = get.lease_duration.unwrap_or(queue.settings.lease_duration);
        let max = part.min(get.jobs_max.max(1));
        let picked = self.pick(id, max, self.config.get_bytes_max, true);
        let (jobs, _, grants) = self.grant(picked, Holder::Get, None, duration);
        if get.auto_complete {
            for (job, grant) in jobs.iter().zip(&grants) {
                let lease = LeaseRef {
                    job: *job,
                    lease: grant.lease,
                };
                self.complete_with(lease, bytes::Bytes::new());
            }
        } else if !get.worker.is_empty() {
            for job in &jobs {
                let note = Note {
                    worker: get.worker.clone(),
                    progress: Box::default(),
                };
                self.live.notes.insert(*job, note);
            }
        }
        let expire_time = self.now.after(duration);
        self.reply(
            ticket,
            Ok(Reply::Got {
                grants,
                expire_time,
            }),
        );
    }

    /// The first ready jobs, up to `max` and as long as their contents fit; the
    /// first one whatever its size if `one_whatever_size`.
    fn pick(&self, id: QueueId, max: usize, mut room: u64, one_whatever_size: bool) -> Picked {
        let mut picked = Picked::default();
        let Some(queue) = self.state.queues.get(id) else {
            return picked;
        };
        let mut front: Vec<Ready> = Vec::with_capacity(max);
        queue.ready.front(max, &mut front);
        picked.jobs.reserve(front.len());
        picked.sizes.reserve(front.len());
        picked.grants.reserve(front.len());
        let mut near = None;
        for ready in front {
            let Some(group) = self.state.groups.near(&mut near, ready.job) else {
                continue;
            };
            let size = group.size(ready.job);
            let fits = u64::from(size) <= room;
            let alone = one_whatever_size && picked.jobs.is_empty();
            if !fits && !alone {
                break;
            }
            room = room.saturating_sub(u64::from(size));
            picked.sizes.push(size);
            let entry = if ready.tracked {
                self.state.jobs.get(ready.job)
            } else {
                None
            };
            picked.jobs.push(ready.job);
            picked.grants.push(Grant {
                job: ready.job,
                id: self.state.id_of(ready.job, group.put_time),
                lease: LeaseNumber(0), // known when it is granted
                attempt: entry.map_or(0, |job| job.attempts) + 1,
                max_attempts: group.settings.max_attempts,
                priority: group.settings.priority,
                run_time_max: group.settings.run_time_max,
                outcome: entry
                    .and_then(|job| job.outcome())
                    .map(|outcome| Box::new(outcome.clone())),
            });
            if !fits {
                break; // it is delivered alone, whatever comes next
            }
        }
        picked
    }

    /// Leases what was picked.
    fn grant(
        &mut self,
        picked: Picked,
        holder: Holder,
        session: Option<SessionId>,
        lease_duration: Duration,
    ) -> (Vec<JobSeq>, Vec<u32>, Vec<Grant>) {
        let first_lease = self.state.next_lease;
        let mut grants = picked.grants;
        for (grant, number) in grants.iter_mut().zip(first_lease.0..) {
            grant.lease = LeaseNumber(number);
        }
        let granted = Transition::LeasesGranted {
            first_lease,
            jobs: picked.jobs.clone(),
            grant_time: self.now,
            holder,
            lease_duration,
        };
        self.spend(GRANT_BYTES * picked.jobs.len() as u64);
        self.emit_held_by(session, granted);
        (picked.jobs, picked.sizes, grants)
    }

    /// The caller waits no more, wherever it stood.
    pub(crate) fn stop_waiting(&mut self, ticket: Ticket) -> Option<Wait> {
        let wait = self.live.waits.remove(ticket)?;
        let deadline = crate::deadlines::Deadline::Wait(ticket);
        self.live.deadlines.remove(wait.until, deadline);
        match &wait.what {
            Waiting::Get(get) => self.live.leave(&get.queue, get.place),
            // The one behind it may fit.
            Waiting::Put { queue, .. } => self.touch(*queue),
            Waiting::Job(_) | Waiting::Queue { .. } => {}
        }
        Some(wait)
    }
}
