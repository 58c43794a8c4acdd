//! The format, byte by byte: what a released version has written must be read
//! by every later one, so an expectation here is added to and never changed.

use std::fmt::Write as _;
use std::time::Duration;

use leaseq_engine::id::QueueName;
use leaseq_engine::settings::{JobSettings, RetryPolicy};
use leaseq_engine::time::Time;
use leaseq_engine::transition::{End, Holder, Requeue, Sizes, Status, VerdictKind};

use super::Reader;
use super::field::Field;

mod record;

/// `field` is written as `expected` and read back from it.
/// Expectations are hexadecimal, with spaces where a reader wants them.
fn check_field(field: &(impl Field + PartialEq + std::fmt::Debug), expected: &str) {
    let mut bytes = Vec::new();
    field.write(&mut bytes);
    check_bytes(&bytes, expected, field);
    assert_eq!(Field::read(&mut Reader::new(&bytes)).as_ref(), Ok(field));
}

/// `bytes` are `expected`.
fn check_bytes(bytes: &[u8], expected: &str, of: &dyn std::fmt::Debug) {
    let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    assert_eq!(hex, expected.replace(' ', ""), "of {of:?}");
}

fn name(text: &str) -> QueueName {
    QueueName::new(text).expect("a queue name")
}

fn usual() -> JobSettings {
    JobSettings {
        priority: 0,
        ready_time: None,
        max_attempts: 20,
        retry: usual_retry(),
        reply_to: None,
        run_time_max: None,
        result_retention: Duration::ZERO,
    }
}

fn usual_retry() -> RetryPolicy {
    RetryPolicy {
        initial_delay: Duration::from_secs(1),
        delay_max: Duration::from_secs(3600),
        multiplier_percent: 200,
        jitter_percent: 20,
    }
}

#[test]
fn every_value_has_the_tag_it_always_had() {
    check_field(&Holder::Get, "01");
    check_field(&Holder::Session, "02");
    check_field(&End::Completed, "01");
    check_field(&End::Dead, "02");
    check_field(&End::Cancelled, "03");
    check_field(&VerdictKind::Complete, "01");
    check_field(&VerdictKind::Fail, "02");
    check_field(&VerdictKind::Reject, "03");
    check_field(&VerdictKind::Release, "04");
    check_field(&Requeue::Failed, "01");
    check_field(&Requeue::Released, "02");
    check_field(&Requeue::TakenBack, "03");
    check_field(&Requeue::Expired, "04");
    check_field(&Requeue::Redriven, "05");
    check_field(&Requeue::Unheard, "06");
    let ready_time = Time::from_millis(5);
    check_field(&Status::Scheduled { ready_time }, "01 05");
    check_field(&Status::Ready, "02");
    let (end, retain_until) = (End::Dead, None);
    check_field(&Status::Ended { end, retain_until }, "04 02 00");
    check_field(&Sizes::Uniform { count: 2, size: 3 }, "01 02 03");
    check_field(&Sizes::Each([3, 4].into()), "02 02 03 04");
}

#[test]
fn every_setting_of_a_job_has_the_flag_it_always_had() {
    let second = Duration::from_secs(1);
    let check_changed = |change: &dyn Fn(&mut JobSettings), expected| {
        let mut settings = usual();
        change(&mut settings);
        check_field(&settings, expected);
    };
    check_changed(&|_| {}, "00");
    check_changed(&|s| s.priority = -1, "01 01");
    check_changed(&|s| s.ready_time = Some(Time::from_millis(9)), "02 09");
    check_changed(&|s| s.max_attempts = 1, "04 01");
    check_changed(&|s| s.retry.jitter_percent = 0, "08 0100 901c00 c801 00");
    check_changed(&|s| s.reply_to = Some(name("out")), "10 03 6f7574");
    check_changed(&|s| s.run_time_max = Some(second), "20 0100");
    check_changed(&|s| s.result_retention = second, "40 0100");
    let all = JobSettings {
        priority: 1,
        ready_time: Some(Time::from_millis(9)),
        max_attempts: 1,
        retry: RetryPolicy {
            initial_delay: Duration::ZERO,
            delay_max: Duration::ZERO,
            multiplier_percent: 100,
            jitter_percent: 100,
        },
        reply_to: Some(name("out")),
        run_time_max: Some(second),
        result_retention: second,
    };
    check_field(&all, "7f 02 09 01 0000 0000 64 64 03 6f7574 0100 0100");
}
