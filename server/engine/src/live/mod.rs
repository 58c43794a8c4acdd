//! What lives only while the process does: sessions, callers that wait, and the
//! lines in which both stand. None of it is durable, so none of it is in a
//! transition; a restart begins with all of it empty.

mod invariants;
pub(crate) mod line;
pub(crate) mod session;
pub(crate) mod tight;
pub(crate) mod wait;

use rustc_hash::FxHashMap;

use crate::by_job::JobMap;
use crate::deadlines::{Deadline, Deadlines};
use crate::id::{QueueName, SessionId};
use crate::live::line::{Line, Places};
use crate::live::session::Session;
use crate::live::tight::Tight;
use crate::live::wait::Waits;
use crate::space::Space;
use crate::time::LeaseTime;

/// Who stands in the line of a queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Waiter {
    /// A session that can take another job.
    Session(SessionId),
    /// A waiting Get.
    Get(crate::id::Ticket),
}

/// Everything that is not durable.
#[derive(Clone, Debug, Default)]
pub(crate) struct Live {
    pub(crate) sessions: FxHashMap<SessionId, Session>,
    /// How many of them have a stream.
    pub(crate) sessions_open: usize,
    /// By the name of the queue: workers may come before their queue does. Only
    /// lines in which someone stands are kept.
    lines: FxHashMap<QueueName, Line<Waiter>>,
    places: Places,
    /// Sessions that wait for byte room beside those lines.
    pub(crate) tight: Tight,
    pub(crate) waits: Waits,
    /// What is known of leases beside what is durable.
    pub(crate) notes: JobMap<Note>,
    pub(crate) deadlines: Deadlines<LeaseTime>,
    /// The server is shutting down: nothing more is granted.
    pub(crate) draining: bool,
    /// How much room the store has.
    pub(crate) space: Space,
    /// On a full disk: bytes that this batch may still write.
    pub(crate) room: u64,
    /// Somebody was not given jobs for lack of room.
    pub(crate) starved: bool,
    /// How many sessions a restart made up for leases that nobody holds yet.
    pub(crate) sessions_made_up: u64,
}

/// Shown by GetJob; empty texts are not kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Note {
    /// The name of the worker whose Get leased it.
    pub(crate) worker: Box<str>,
    /// What it last said of its progress.
    pub(crate) progress: Box<str>,
}

impl Live {
    pub(crate) fn line(&self, queue: &QueueName) -> Option<&Line<Waiter>> {
        self.lines.get(queue)
    }

    /// Puts a waiter at the end of the line; returns its place.
    pub(crate) fn stand(&mut self, queue: &QueueName, waiter: Waiter) -> u64 {
        let place = self.places.next();
        match self.lines.get_mut(queue) {
            Some(line) => line.stand(place, waiter),
            None => {
                let line = self.lines.entry(queue.clone()).or_default();
                line.stand(place, waiter);
            }
        }
        place
    }

    /// Takes a waiter out of the line.
    pub(crate) fn leave(&mut self, queue: &QueueName, place: u64) {
        if let Some(line) = self.lines.get_mut(queue) {
            line.remove(place);
            if line.len() == 0 {
                self.lines.remove(queue);
            }
        }
    }

    /// How many stand in the line of a queue.
    pub(crate) fn waiting(&self, queue: &QueueName) -> usize {
        self.lines.get(queue).map_or(0, Line::len)
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = (&QueueName, &Line<Waiter>)> {
        self.lines.iter()
    }

    /// Puts the session, if it can take more, into the lines it does not stand in,
    /// or into that of one queue; says in which, the queue after that served last
    /// first. I14: whoever stands in a new line has to be looked at for its queue.
    pub(crate) fn stand_session(
        &mut self,
        id: SessionId,
        only: Option<&QueueName>,
    ) -> Vec<QueueName> {
        let Some(session) = self.sessions.get(&id) else {
            return Vec::new();
        };
        if self.draining || !session.can_take_more() {
            return Vec::new();
        }
        let turn = session.turn;
        let spots = session.queues.iter().enumerate();
        let mut missing: Vec<_> = spots
            .filter(|(_, spot)| spot.place.is_none())
            .filter(|(_, spot)| only.is_none_or(|queue| spot.queue == *queue))
            .map(|(at, spot)| (at, spot.queue.clone()))
            .collect();
        self.leave_tight(id, only);
        missing.sort_by_key(|(at, _)| (*at < turn, *at));
        for (at, queue) in &missing {
            let place = self.stand(queue, Waiter::Session(id));
            let session = self.sessions.get_mut(&id);
            if let Some(spot) = session.and_then(|session| session.queues.get_mut(*at)) {
                spot.place = Some(place);
            }
        }
        missing.into_iter().map(|(_, queue)| queue).collect()
    }

    /// The first job of the queue is too large for the session, which has left its line.
    /// It is looked at again when that job went elsewhere, or when the session has more
    /// room.
    pub(crate) fn wait_for_room(&mut self, id: SessionId, queue: &QueueName, room: u64) {
        let session = self.sessions.get_mut(&id);
        let spots = session.into_iter().flat_map(|session| &mut session.queues);
        for spot in spots.filter(|spot| spot.queue == *queue) {
            spot.tight = Some(room);
            self.tight.insert(queue, room, id);
        }
    }

    fn leave_tight(&mut self, id: SessionId, only: Option<&QueueName>) {
        let session = self.sessions.get_mut(&id);
        let spots = session.into_iter().flat_map(|session| &mut session.queues);
        for spot in spots.filter(|spot| only.is_none_or(|queue| spot.queue == *queue)) {
            if let Some(room) = spot.tight.take() {
                self.tight.remove(&spot.queue, room, id);
            }
        }
    }

    /// Takes the session out of every line, or out of that of one queue.
    pub(crate) fn leave_session(&mut self, id: SessionId, only: Option<&QueueName>) {
        self.leave_tight(id, only);
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let left: Vec<_> = session
            .queues
            .iter_mut()
            .filter(|spot| only.is_none_or(|queue| spot.queue == *queue))
            .filter_map(|spot| Some((spot.queue.clone(), spot.place.take()?)))
            .collect();
        for (queue, place) in left {
            self.leave(&queue, place);
        }
    }

    /// Whether leases, expiries and what becomes ready wait for room.
    pub(crate) fn is_held_back(&self) -> bool {
        self.space >= Space::Last
    }

    /// Looks at a session again at this moment, whenever it ends.
    pub(crate) fn look_at_session_at(&mut self, id: SessionId, at: LeaseTime) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if let Some(before) = session.deadline.replace(at) {
            self.deadlines.remove(before, Deadline::Session(id));
        }
        self.deadlines.insert(at, Deadline::Session(id));
    }

    /// Sets when the session ends unless it is heard of. The deadline that stands
    /// may be earlier: it is moved when it comes, not with every sign of life.
    pub(crate) fn expire_session_at(&mut self, id: SessionId, at: LeaseTime) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        session.expire_time = at;
        if session.deadline.is_some_and(|deadline| deadline <= at) {
            return;
        }
        if let Some(before) = session.deadline.replace(at) {
            self.deadlines.remove(before, Deadline::Session(id));
        }
        self.deadlines.insert(at, Deadline::Session(id));
    }

    /// Nothing of the session is left: it must hold nothing.
    pub(crate) fn forget_session(&mut self, id: SessionId) {
        self.leave_session(id, None);
        if let Some(session) = self.sessions.remove(&id)
            && let Some(deadline) = session.deadline
        {
            self.deadlines.remove(deadline, Deadline::Session(id));
        }
    }
}
