//! The invariants of what is not durable, checked by a full scan.
//!
//! - I7: a session holds the jobs whose leases name it, and the sum of their sizes;
//!   every leased job has a session that will expire, or a deadline of its own.
//! - I8: whoever waits is in the index for that, and has a deadline.
//! - I13: in the lines stand waiting Gets and sessions that can take more, once each.
//! - I15: a session waits for byte room only while the first job is too large for it.
//! - I14: no waiter stands in the line of a queue that has a job for it, unless the queue
//!   is among the work that is left over for the next Tick.

use crate::deadlines::Deadline;
use crate::id::SessionId;
use crate::live::session::Session;
use crate::live::wait::Waiting;
use crate::live::{Live, Waiter};
use crate::pending::PendingWork;
use crate::state::State;
use crate::state::evolve::is_session;
use crate::transition::Holder;

impl Live {
    /// Compares everything with everything else.
    pub(crate) fn check(&self, state: &State, left_over: &PendingWork) -> Result<(), String> {
        self.waits.check()?;
        self.check_holding(state)?;
        let mut deadlines = 0;
        let mut standing = 0;
        for (id, session) in &self.sessions {
            self.check_session(*id, session)?;
            deadlines += 1;
            standing += session.queues.iter().filter(|s| s.place.is_some()).count();
        }
        let open = self.sessions.values().filter(|s| s.is_open()).count();
        if open != self.sessions_open {
            return Err(format!(
                "I7: {open} sessions open, not {}",
                self.sessions_open
            ));
        }
        for ticket in self.waits.tickets() {
            let Some(wait) = self.waits.get(ticket) else {
                continue;
            };
            deadlines += 1;
            if !self.deadlines.contains(wait.until, Deadline::Wait(ticket)) {
                return Err(format!("I8: {ticket:?} waits without end"));
            }
            if let Waiting::Get(get) = &wait.what {
                standing += 1;
                let line = self.line(&get.queue);
                let there = line.and_then(|line| line.get(get.place));
                if there != Some(Waiter::Get(ticket)) {
                    return Err(format!("I13: {ticket:?} is not in its line"));
                }
            }
        }
        let in_lines: usize = self.lines().map(|(_, line)| line.len()).sum();
        if in_lines != standing || self.lines().any(|(_, line)| line.len() == 0) {
            return Err(format!("I13: {in_lines} in lines, {standing} expected"));
        }
        for (name, _) in self.lines() {
            let Some((id, queue)) = state.queues.named(name) else {
                continue;
            };
            let is_ready = queue.counts.ready > 0 && !queue.paused && !self.starved;
            if is_ready && !left_over.queues.contains(id) {
                return Err(format!("I14: jobs of {name:?} and those who wait for them"));
            }
        }
        self.check_tight(state, left_over)?;
        if deadlines != self.deadlines.len() {
            return Err(format!(
                "I8: {} deadlines, {deadlines} wanted",
                self.deadlines.len()
            ));
        }
        if self.draining && in_lines + self.waits.len() > 0 {
            return Err("I13: somebody waits in a drain".into());
        }
        let stale = self.notes.keys().find(|seq| {
            let job = state.jobs.get(**seq);
            job.is_none_or(|job| job.lease().is_none())
        });
        stale.map_or(Ok(()), |seq| {
            Err(format!("I7: a note on {seq:?}, which is not leased"))
        })
    }

    fn check_tight(&self, state: &State, left_over: &PendingWork) -> Result<(), String> {
        let spots = self.sessions.values().flat_map(|session| &session.queues);
        let expected = spots.filter(|spot| spot.tight.is_some()).count();
        if self.tight.iter().count() != expected {
            return Err(format!(
                "I15: {expected} sessions should wait for byte room"
            ));
        }
        for (name, room, id) in self.tight.iter() {
            let session = self.sessions.get(&id);
            let right = session.is_some_and(|session| {
                let mut spots = session.queues.iter();
                spots.any(|spot| spot.queue == *name && spot.tight == Some(room))
                    && session.can_take_more()
                    && session.byte_room() <= room
            });
            if !right {
                return Err(format!(
                    "I15: {id:?} waits for room in {name:?}: {session:?}"
                ));
            }
            let Some((queue, of)) = state.queues.named(name) else {
                continue;
            };
            let size = state.first_ready_size(queue);
            let fits = size.is_some_and(|size| session.is_some_and(|it| size <= it.byte_room()));
            if fits && !of.paused && !self.starved && !left_over.queues.contains(queue) {
                return Err(format!("I15: the first job of {name:?} fits {session:?}"));
            }
        }
        Ok(())
    }

    fn check_session(&self, id: SessionId, session: &Session) -> Result<(), String> {
        let deadline = session.deadline;
        let expires = deadline.is_some_and(|at| {
            // What is left of a session may have had to wait for room.
            let in_time = at <= session.expire_time || !session.is_open();
            in_time && self.deadlines.contains(at, Deadline::Session(id))
        });
        if !expires || (!session.is_open() && session.held.is_empty()) {
            return Err(format!("I7: {id:?} never ends: {session:?}"));
        }
        for spot in &session.queues {
            let Some(place) = spot.place else { continue };
            let there = self.line(&spot.queue).and_then(|line| line.get(place));
            if there != Some(Waiter::Session(id)) || !session.can_take_more() {
                return Err(format!(
                    "I13: {id:?} in the line of {:?}: {there:?}",
                    spot.queue
                ));
            }
        }
        Ok(())
    }

    fn check_holding(&self, state: &State) -> Result<(), String> {
        for (id, session) in &self.sessions {
            let mut bytes = 0;
            for seq in &session.held {
                let lease = state.jobs.get(*seq).and_then(|job| job.lease());
                if lease.and_then(|lease| lease.session) != Some(*id) {
                    return Err(format!("I7: {id:?} does not hold {seq:?}: {lease:?}"));
                }
                bytes += state
                    .groups
                    .get(*seq)
                    .map_or(0, |group| u64::from(group.size(*seq)));
            }
            if bytes != session.bytes {
                return Err(format!(
                    "I7: {id:?} holds {bytes} bytes, not {}",
                    session.bytes
                ));
            }
        }
        for (seq, job) in state.jobs.iter() {
            let Some(lease) = job.lease() else { continue };
            let holder = lease.session.and_then(|id| self.sessions.get(&id));
            let held = holder.is_some_and(|session| session.held.contains(&seq));
            let right = match lease.holder {
                Holder::Session => held,
                Holder::Get => lease.session.is_none(),
            };
            debug_assert_eq!(is_session(lease.holder), lease.session.is_some());
            if !right {
                return Err(format!("I7: nobody holds {seq:?}: {lease:?}"));
            }
        }
        Ok(())
    }
}
