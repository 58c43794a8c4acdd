//! UpdateQueue: changes settings. They hold for jobs put from now on, the bound at
//! once.

use crate::command::SettingsChange;
use crate::effect::Reply;
use crate::id::{QueueName, Ticket};
use crate::rejection::Rejection;
use crate::settings::QueueSettings;
use crate::transition::Transition;
use crate::turn::Turn;

impl Turn<'_> {
    pub(super) fn update_queue(
        &mut self,
        ticket: Ticket,
        name: &QueueName,
        change: SettingsChange,
        revision: Option<u64>,
    ) {
        let reply = self.change_queue(name, change, revision);
        self.reply(ticket, reply);
    }

    fn change_queue(
        &mut self,
        name: &QueueName,
        change: SettingsChange,
        revision: Option<u64>,
    ) -> Result<Reply, Rejection> {
        let (id, queue) = self.queue_named(name)?;
        if revision.is_some_and(|revision| revision != queue.revision) {
            let queue = name.clone();
            return Err(Rejection::RevisionMismatch { queue });
        }
        let changed = changed(&queue.settings, change);
        if changed != queue.settings {
            let set = Transition::QueueSet {
                queue: id,
                name: name.clone(),
                settings: changed,
                paused: queue.paused,
                revision: queue.revision + 1,
                create_time: queue.create_time,
            };
            self.emit(set);
            self.touch(id);
        }
        self.queue_reply(name)
    }
}

fn changed(settings: &QueueSettings, change: SettingsChange) -> QueueSettings {
    QueueSettings {
        lease_duration: change.lease_duration.unwrap_or(settings.lease_duration),
        max_attempts: change.max_attempts.unwrap_or(settings.max_attempts),
        retry: change.retry.unwrap_or(settings.retry),
        jobs_max: change.jobs_max.unwrap_or(settings.jobs_max),
        result_retention: change.result_retention.unwrap_or(settings.result_retention),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::testing::{Desk, job, name, secs};

    fn update(
        desk: &mut Desk,
        change: SettingsChange,
        revision: Option<u64>,
    ) -> Result<Reply, Rejection> {
        desk.ask(|ticket| Command::UpdateQueue {
            ticket,
            queue: name("q"),
            change,
            revision,
        })
    }

    #[test]
    fn a_change_that_was_overtaken_is_refused() {
        let mut desk = Desk::new();
        desk.put("q", vec![job("a")]);
        let attempts = |n| SettingsChange {
            max_attempts: Some(n),
            ..SettingsChange::default()
        };
        update(&mut desk, attempts(3), Some(1)).unwrap();
        let mismatch = Rejection::RevisionMismatch { queue: name("q") };
        assert_eq!(update(&mut desk, attempts(4), Some(1)), Err(mismatch));
        let view = desk.queue("q");
        assert_eq!((view.revision, view.settings.max_attempts), (2, 3));
        update(&mut desk, attempts(3), None).unwrap();
        assert_eq!(desk.queue("q").revision, 2, "nothing changed");
    }

    #[test]
    fn a_wider_bound_lets_in_who_waits() {
        let mut desk = Desk::new();
        desk.put("q", vec![job("a")]);
        let bound = |n| SettingsChange {
            jobs_max: Some(Some(n)),
            ..SettingsChange::default()
        };
        update(&mut desk, bound(1), None).unwrap();
        let mut put = desk.put_command("q", vec![job("b")]);
        put.until = Some(desk.now.after(secs(5)));
        let ticket = put.ticket;
        assert_eq!(desk.send_put(put), None);
        update(&mut desk, bound(2), None).unwrap();
        assert!(matches!(desk.answer(ticket), Some(Ok(Reply::Put { .. }))));
    }
}
