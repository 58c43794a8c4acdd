//! Who gets what: the routes of answers and the outboxes of sessions.

use leaseq_engine::command::Command;
use leaseq_engine::id::{SessionId, Ticket};
use leaseq_engine::transition::Content;
use std::collections::{HashMap, VecDeque};

use rustc_hash::FxBuildHasher;
use tokio::sync::mpsc;

use super::answer::{AnswerResult, Refusal, leases_of, take_back};
use super::inbox::{Inbox, Route};
use super::link::SessionEvent;
use crate::credit::Credit;

/// Where a session's answers and deliveries go.
#[derive(Debug)]
pub(super) struct Outlet {
    pub(super) events: mpsc::UnboundedSender<SessionEvent>,
    /// What deliveries take credit of while they wait in the outbox.
    pub(super) credit: Option<Credit>,
}

/// The routes of the answers that are still to come, and the open sessions.
#[derive(Debug)]
pub(super) struct Outboxes {
    routes: HashMap<Ticket, Route, FxBuildHasher>,
    /// The routes of the batch at hand. Nearly all commands are answered in the batch
    /// and in the order they came with, so these are looked through from the front
    /// before they are put into a map.
    expected: VecDeque<Route>,
    sessions: HashMap<SessionId, Outlet, FxBuildHasher>,
    inbox: Inbox,
}

impl Outboxes {
    pub(super) fn new(inbox: Inbox) -> Self {
        Self {
            routes: HashMap::default(),
            expected: VecDeque::new(),
            sessions: HashMap::default(),
            inbox,
        }
    }

    /// Remembers where the answers to the commands of a batch go, in their order.
    pub(super) fn expect(&mut self, routes: Vec<Route>) {
        self.keep_expected();
        self.expected = routes.into();
    }

    /// Keeps the routes of commands that were not answered in their batch.
    pub(super) fn keep_expected(&mut self) {
        while let Some(route) = self.expected.pop_front() {
            self.keep(route);
        }
    }

    fn keep(&mut self, route: Route) {
        if let Some(ticket) = route.ticket() {
            self.routes.insert(ticket, route);
        }
    }

    /// The route of this answer, which is expected no more.
    fn route(&mut self, ticket: Ticket) -> Option<Route> {
        if self.expected.front().and_then(Route::ticket) == Some(ticket) {
            return self.expected.pop_front();
        }
        // One who has waited, or one of the batch that came later than others that wait.
        if let Some(route) = self.routes.remove(&ticket) {
            return Some(route);
        }
        while let Some(route) = self.expected.pop_front() {
            if route.ticket() == Some(ticket) {
                return Some(route);
            }
            self.keep(route);
        }
        None
    }

    /// Remembers a session's outbox.
    pub(super) fn register(&mut self, id: SessionId, outlet: Outlet) {
        self.sessions.insert(id, outlet);
    }

    /// Forgets a session that has closed.
    pub(super) fn unregister(&mut self, id: SessionId) {
        self.sessions.remove(&id);
    }

    /// Forgets a caller that has gone away.
    pub(super) fn forget(&mut self, ticket: Ticket) {
        self.routes.remove(&ticket);
    }

    /// Sends an answer. If its caller has gone away, what it granted is taken back.
    pub(super) fn answer(&mut self, ticket: Ticket, answer: AnswerResult) {
        if let Some(route) = self.route(ticket) {
            self.send(route, answer);
        } else if let Ok(answer) = answer {
            // Abandoned meanwhile.
            self.take_back(answer.reply);
        }
    }

    /// Sends an answer along a route.
    pub(super) fn send(&self, route: Route, answer: AnswerResult) {
        match route {
            Route::None => {}
            Route::Call(_, sender) => {
                if let Err(Ok(answer)) = sender.send(answer) {
                    self.take_back(answer.reply);
                }
            }
            Route::Session(_, session) => self.event(session, SessionEvent::Answer(answer)),
        }
    }

    /// Puts something into a session's outbox. Jobs for a session that is gone are
    /// taken back. A session without credit for its jobs ends.
    pub(super) fn event(&self, session: SessionId, mut event: SessionEvent) {
        let unsent = match self.sessions.get(&session) {
            Some(outlet) => match charge(outlet, &mut event) {
                Ok(()) => outlet.events.send(event).err().map(|error| error.0),
                Err(refusal) => {
                    // Before its jobs come back, or it would be given them again.
                    self.inbox.tell(Command::CloseSession { session });
                    let _ = outlet.events.send(SessionEvent::Failed(refusal));
                    Some(event)
                }
            },
            None => Some(event),
        };
        if let Some(SessionEvent::Deliver { grants, .. }) = unsent {
            self.inbox.tell(Command::TakeBack {
                leases: leases_of(&grants),
            });
        }
    }

    /// Tells every session that the server shuts down.
    pub(super) fn drain(&self) {
        for outlet in self.sessions.values() {
            // A session that is gone needs no telling.
            let _ = outlet.events.send(SessionEvent::Drain);
        }
    }

    /// Refuses everyone: nothing more will come.
    pub(super) fn fail(&mut self, why: &Refusal) {
        self.keep_expected();
        for (_, route) in std::mem::take(&mut self.routes) {
            self.send(route, Err(why.clone()));
        }
        for (_, outlet) in std::mem::take(&mut self.sessions) {
            let _ = outlet.events.send(SessionEvent::Failed(why.clone()));
        }
    }

    fn take_back(&self, reply: leaseq_engine::effect::Reply) {
        if let Some(command) = take_back(reply) {
            self.inbox.tell(command);
        }
    }
}

/// Takes the credit for a delivery.
fn charge(outlet: &Outlet, event: &mut SessionEvent) -> Result<(), Refusal> {
    if let (
        SessionEvent::Deliver {
            contents, charge, ..
        },
        Some(credit),
    ) = (event, &outlet.credit)
    {
        let bytes = |content: &Content| content.payload.len() + content.headers.len();
        let taken = credit.take(contents.iter().map(bytes).sum());
        *charge = Some(taken.map_err(|none| Refusal::Overloaded {
            limit: none.limit,
            max: u64::try_from(none.max).unwrap_or(u64::MAX),
        })?);
    }
    Ok(())
}
