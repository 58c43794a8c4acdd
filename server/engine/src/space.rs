//! How much room the store has, and what is written in it.
//!
//! Jobs, results and outcomes stay on disk until somebody takes them away. Leases,
//! extensions and verdicts are worthless soon after, and the store gets their room
//! back. So, the less room there is, the fewer things are written: first nothing
//! that stays, then nothing but what ends jobs (docs/adr/0012-a-full-disk.md).

use crate::command::{Command, Settlement, Verdict};
use crate::effect::Effect;
use crate::id::Ticket;
use crate::rejection::Rejection;
use crate::state::job::Lease;
use crate::transition::JobState;
use crate::turn::Turn;

/// How much room there is, from most to least.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Space {
    /// Everything is written.
    #[default]
    Enough,
    /// The disk is full: no new jobs, and no large results. All else goes on.
    Reserve,
    /// Nothing that takes more room than it gives back.
    Low,
    /// Only what ends jobs: no grants and no extensions.
    Last,
    /// Nothing but compaction.
    Full,
}

impl Space {
    /// All of them, from most room to least.
    pub const ALL: [Self; 5] = [
        Self::Enough,
        Self::Reserve,
        Self::Low,
        Self::Last,
        Self::Full,
    ];
}

/// What is not written for lack of room.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Unwritten {
    /// New jobs, by a Put.
    Jobs,
    /// Queues and their settings.
    Queues,
    /// Leases.
    Grants,
    /// Extensions of leases.
    Extensions,
    /// A result or an error that is large, or that takes more room than its job has.
    Results,
    /// An attempt that ends without its job.
    GivenBack,
    /// The end of a job.
    Ends,
}

impl Unwritten {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Jobs,
        Self::Queues,
        Self::Grants,
        Self::Extensions,
        Self::Results,
        Self::GivenBack,
        Self::Ends,
    ];

    /// What the server does not do for now.
    #[must_use]
    pub fn what(self) -> &'static str {
        match self {
            Self::Jobs => "takes no new jobs",
            Self::Queues => "creates and changes no queues",
            Self::Grants => "grants no leases and redrives no jobs",
            Self::Extensions => "extends no leases of Gets",
            Self::Results => "takes no result or error of this size (the lease stands)",
            Self::GivenBack => "takes no verdict but those that end jobs (the lease stands)",
            Self::Ends => "writes nothing until it has made room (the lease stands)",
        }
    }
}

/// On a full disk a result or an error may be this long.
pub const RESULT_BYTES_MAX: usize = 4 << 10;

/// Where nothing may be added for good, an error may be this long.
const ERROR_BYTES_MAX: usize = 64;

/// Bytes of an outcome job beside its result.
const OUTCOME_BYTES: usize = 128;

/// Bytes that a lease takes in the record of many.
pub(crate) const GRANT_BYTES: u64 = 16;

/// Bytes of a record of one job, and of what is written around it.
const RECORD_BYTES: u64 = 64;

impl Turn<'_> {
    /// Refuses a command that needs more room than there is. Others look closer at
    /// their entries.
    pub(crate) fn refused_for_room(&mut self, command: &Command) -> bool {
        let (ticket, least, what) = match command {
            Command::CreateQueue { ticket, .. } | Command::UpdateQueue { ticket, .. } => {
                (*ticket, Space::Reserve, Unwritten::Queues)
            }
            Command::Get(get) => (get.ticket, Space::Low, Unwritten::Grants),
            Command::Redrive { ticket, .. } => (*ticket, Space::Low, Unwritten::Grants),
            Command::CancelJob { ticket, .. }
            | Command::PauseQueue { ticket, .. }
            | Command::DeleteQueue { ticket, .. } => (*ticket, Space::Last, Unwritten::Ends),
            Command::Purge { ticket, states, .. } => {
                let ended = |state: &JobState| {
                    matches!(
                        state,
                        JobState::Completed | JobState::Dead | JobState::Cancelled
                    )
                };
                // To forget what has ended costs next to nothing, and is the way out.
                let least = if states.iter().all(ended) {
                    Space::Full
                } else {
                    Space::Last
                };
                (*ticket, least, Unwritten::Ends)
            }
            Command::Put(_)
            | Command::Abandon { .. }
            | Command::TakeBack { .. }
            | Command::OpenSession(_)
            | Command::SetFlow { .. }
            | Command::Heartbeat { .. }
            | Command::DrainSession { .. }
            | Command::CloseSession { .. }
            | Command::Settle(_)
            | Command::Extend(_)
            | Command::WaitJob { .. }
            | Command::WaitQueue { .. }
            | Command::Read { .. }
            | Command::Drain
            | Command::Tick { .. }
            | Command::Stalled { .. }
            | Command::ClocksRead(_)
            | Command::ContentLost { .. }
            | Command::RestateJobs { .. }
            | Command::RestateLedger { .. } => return false,
        };
        self.refused(ticket, least, what)
    }

    fn refused(&mut self, ticket: Ticket, least: Space, what: Unwritten) -> bool {
        let refused = self.need(least, what);
        refused.map_err(|no| self.reply(ticket, Err(no))).is_err()
    }

    /// Whether there is at least so much room.
    pub(crate) fn need(&self, least: Space, what: Unwritten) -> Result<(), Rejection> {
        if self.live.space <= least {
            Ok(())
        } else {
            Err(Rejection::DiskFull { what })
        }
    }

    /// How many jobs may be leased at once.
    pub(crate) fn grants_in_room(&self) -> usize {
        match self.live.space {
            Space::Enough => usize::MAX,
            Space::Reserve | Space::Low => {
                let room = self.live.room.saturating_sub(RECORD_BYTES);
                usize::try_from(room / GRANT_BYTES).unwrap_or(usize::MAX)
            }
            Space::Last | Space::Full => 0,
        }
    }

    /// Takes the room for one more record of this batch. False: there is none left.
    pub(crate) fn spend(&mut self, bytes: u64) -> bool {
        if self.live.space == Space::Enough {
            return true;
        }
        match self.live.room.checked_sub(RECORD_BYTES + bytes) {
            Some(left) => {
                self.live.room = left;
                true
            }
            None => {
                self.live.room = 0;
                false
            }
        }
    }

    /// Leases, expiries and what becomes ready wait for room: nothing is leased anyway.
    pub(crate) fn is_held_back(&self) -> bool {
        self.live.is_held_back()
    }

    /// Whether there is room for a verdict. A lease whose end was not written for lack of
    /// room has ended all the same.
    pub(crate) fn room_for_verdict(
        &mut self,
        settlement: &Settlement,
        current: &Lease,
    ) -> Result<(), Rejection> {
        if self.live.space == Space::Enough {
            return Ok(());
        }
        self.not_overdue(current)?;
        let (stays, gives_back, added) = self.weigh(settlement);
        let (least, what) = if added > RESULT_BYTES_MAX {
            (Space::Enough, Unwritten::Results)
        } else if stays > gives_back {
            (Space::Reserve, Unwritten::Results)
        } else {
            match settlement.verdict {
                Verdict::Complete { .. } | Verdict::Reject { .. } => (Space::Last, Unwritten::Ends),
                Verdict::Fail { .. } | Verdict::Release { .. } => {
                    (Space::Low, Unwritten::GivenBack)
                }
            }
        };
        self.need(least, what)?;
        if self.spend(2 * added as u64) {
            Ok(())
        } else {
            Err(Rejection::DiskFull { what })
        }
    }

    /// Bytes that a verdict leaves behind for good, those that its job gives back, and
    /// those of its result or error.
    fn weigh(&self, settlement: &Settlement) -> (usize, usize, usize) {
        let Some(known) = self.state.known(settlement.lease.job) else {
            return (0, 0, 0);
        };
        let settings = &known.settings;
        let told = settings.reply_to.is_some();
        let outcome = |bytes| if told { OUTCOME_BYTES + bytes } else { 0 };
        let size = known.size as usize;
        match &settlement.verdict {
            Verdict::Complete { result } => {
                let kept = !settings.result_retention.is_zero();
                let added = if kept || told { result.len() } else { 0 };
                let stays = outcome(added) + if kept { added } else { 0 };
                (stays, size, added)
            }
            Verdict::Fail { error, .. } | Verdict::Reject { error } => {
                let stays = outcome(error.len()) + error.len();
                (stays, ERROR_BYTES_MAX, error.len())
            }
            Verdict::Release { .. } => (0, 0, 0),
        }
    }

    /// Whether there is room to extend a lease.
    pub(crate) fn room_for_extension(&mut self, current: &Lease) -> Result<(), Rejection> {
        if self.live.space == Space::Enough {
            return Ok(());
        }
        self.not_overdue(current)?;
        let what = Unwritten::Extensions;
        self.need(Space::Low, what)?;
        if self.spend(0) {
            Ok(())
        } else {
            Err(Rejection::DiskFull { what })
        }
    }

    fn not_overdue(&self, current: &Lease) -> Result<(), Rejection> {
        if self.is_held_back() && self.expire_time(current) <= self.now {
            let state = Some(JobState::Ready);
            return Err(Rejection::LeaseLost { state });
        }
        Ok(())
    }
}

/// What these effects tell callers that was not written, once for each.
pub fn unwritten(effects: &[Effect]) -> Vec<Unwritten> {
    use crate::effect::Reply;
    let of = |rejection: &Rejection| {
        if let Rejection::DiskFull { what } = rejection {
            Some(*what)
        } else {
            None
        }
    };
    let mut all = Vec::new();
    for effect in effects {
        let Effect::Reply { reply, .. } = effect else {
            continue;
        };
        match reply {
            Err(rejection) => all.extend(of(rejection)),
            Ok(Reply::Settled(results)) => {
                all.extend(results.iter().filter_map(|it| of(it.as_ref().err()?)));
            }
            Ok(Reply::Extended(results)) => {
                all.extend(results.iter().filter_map(|it| of(it.as_ref().err()?)));
            }
            Ok(_) => {}
        }
    }
    all
}

#[cfg(test)]
mod tests;
