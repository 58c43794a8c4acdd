//! What is written is read back, and nothing else is taken for it.

use leaseq_engine::id::{JobSeq, LeaseNumber, LeaseRef};
use leaseq_engine::transition::Transition;
use proptest::prelude::*;

use super::arbitrary::{transition, without_contents};
use super::error::Fault;
use super::field::write_varint;
use super::id::NUMBER_MAX;
use super::{DecodeError, JOBS_MAX, Reader, decode, encode};

fn encoded(transition: &Transition) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(transition, &mut bytes);
    bytes
}

/// Decodes one transition, which has to be all there is.
fn decoded(bytes: &[u8]) -> Result<Transition, DecodeError> {
    let mut reader = Reader::new(bytes);
    let transition = decode(&mut reader)?;
    reader.finish()?;
    Ok(transition)
}

/// A record with this tag and body.
fn record(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    write_varint(body.len() as u64, &mut bytes);
    bytes.extend_from_slice(body);
    bytes
}

fn varints(numbers: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    numbers
        .iter()
        .for_each(|number| write_varint(*number, &mut bytes));
    bytes
}

fn check_refused(bytes: &[u8], expected: &str) {
    match decoded(bytes) {
        Ok(transition) => panic!("{bytes:?} was taken for {transition:?}"),
        Err(error) => assert_eq!(error.to_string(), expected, "of {bytes:?}"),
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(transitions in prop::collection::vec(transition(), 0..5)) {
        let mut bytes = Vec::new();
        for transition in &transitions {
            encode(transition, &mut bytes);
        }
        let mut reader = Reader::new(&bytes);
        for transition in transitions {
            prop_assert_eq!(decode(&mut reader), Ok(without_contents(transition)));
        }
        prop_assert!(reader.is_empty());
    }

    #[test]
    fn a_part_of_a_record_is_refused(transition in transition(), at: prop::sample::Index) {
        let bytes = encoded(&transition);
        prop_assert!(decoded(&bytes[..at.index(bytes.len())]).is_err());
    }

    #[test]
    fn a_shorter_body_is_refused(transition in transition(), at: prop::sample::Index) {
        let bytes = encoded(&transition);
        let body = &bytes[body_start(&bytes)..];
        prop_assume!(!body.is_empty());
        let shorter = record(bytes[0], &body[..at.index(body.len())]);
        prop_assert!(decoded(&shorter).is_err());
    }

    #[test]
    fn a_longer_body_is_refused(transition in transition(), more in 1..9_usize) {
        let bytes = encoded(&transition);
        let mut body = bytes[body_start(&bytes)..].to_vec();
        body.extend(vec![0; more]);
        let error = decoded(&record(bytes[0], &body)).expect_err("trailing bytes");
        prop_assert_eq!(error.fault, Fault::Trailing { bytes: more });
    }

    #[test]
    fn random_bytes_do_no_harm(bytes: Vec<u8>) {
        check_harmless(&bytes)?;
    }

    #[test]
    fn random_bodies_do_no_harm(tag in 0..32_u8, body: Vec<u8>) {
        check_harmless(&record(tag, &body))?;
    }

    #[test]
    fn damage_does_no_harm(
        transition in transition(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = encoded(&transition);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        check_harmless(&bytes)?;
    }

    #[test]
    fn numbers_have_one_form(number: u64, shift in 0..64_u32) {
        let bytes = varints(&[number >> shift]);
        let mut reader = Reader::new(&bytes);
        prop_assert_eq!(reader.varint("number"), Ok(number >> shift));
        prop_assert!(reader.is_empty());
    }
}

/// The offset of the body in a valid record.
fn body_start(bytes: &[u8]) -> usize {
    let mut reader = Reader::new(bytes);
    reader.byte("tag").expect("a tag");
    reader.varint("length").expect("a length");
    reader.offset()
}

/// Reading ends, and what was taken for a transition is one: it comes back when
/// it is written and read once more.
fn check_harmless(bytes: &[u8]) -> Result<(), TestCaseError> {
    let mut reader = Reader::new(bytes);
    while !reader.is_empty() {
        match decode(&mut reader) {
            Ok(transition) => {
                prop_assert_eq!(decoded(&encoded(&transition)), Ok(transition));
            }
            Err(error) => {
                prop_assert!(error.offset <= bytes.len());
                break;
            }
        }
    }
    Ok(())
}

#[test]
fn a_number_in_a_longer_form_is_refused() {
    let not_shortest = "at byte 2: a number is not a number in its shortest form";
    check_refused(&record(4, &[0x80, 0x00]), not_shortest);
    let ten_bytes = [0xff; 9];
    for last in [0x02, 0x7f, 0x80, 0xff] {
        let body = [&ten_bytes[..], &[last]].concat();
        check_refused(&record(4, &body), not_shortest);
    }
    let too_large = "at byte 2: a number is 4294967296, at most 4294967295 is possible";
    check_refused(&record(4, &varints(&[1 << 32])), too_large);
}

#[test]
fn unknown_tags_and_flags_are_refused() {
    check_refused(&record(0, &[]), "at byte 0: unknown tag 0 of a transition");
    check_refused(
        &record(19, &[]),
        "at byte 0: unknown tag 19 of a transition",
    );
    let holder = [varints(&[1, 0, 5]), vec![3, 30, 0]].concat();
    check_refused(
        &record(8, &holder),
        "at byte 5: unknown tag 3 of a holder of a lease",
    );
    let settings = [varints(&[1, 1, 5]), vec![0x81]].concat();
    check_refused(
        &record(5, &settings),
        "at byte 5: unknown flags 0b10000001 of a job's settings",
    );
    let retained = [1, 2];
    check_refused(
        &record(11, &retained),
        "at byte 3: unknown tag 2 of a yes or no",
    );
}

#[test]
fn lists_that_claim_too_much_are_refused() {
    let over = JOBS_MAX as u64 + 1;
    let bound = format!("{over}, at most {JOBS_MAX} is possible");
    let too_many = format!("at byte 2: a count of jobs is {bound}");
    check_refused(&record(13, &varints(&[over, 2, over - 1])), &too_many);
    check_refused(&record(10, &varints(&[over, 2, 2, over - 1])), &too_many);
    let run = "at byte 3: a run of jobs or leases goes beyond its bounds";
    check_refused(&record(13, &varints(&[3, 2, 3])), run);
    check_refused(&record(13, &varints(&[3, 2, 1 << 60])), run);
    check_refused(&record(13, &varints(&[3, 1, 0])), run);
    // The job numbers could go on, the lease numbers could not.
    let body = varints(&[2, 2, NUMBER_MAX << 1, 1]);
    check_refused(&record(10, &body), run);
    let sizes = [varints(&[1, 1, 5, 0]), vec![1], varints(&[over, 1])].concat();
    check_refused(
        &record(5, &sizes),
        &format!("at byte 7: a count of jobs is {bound}"),
    );
    let each = [varints(&[1, 1, 5, 0]), vec![2], varints(&[1 << 20, 1])].concat();
    check_refused(
        &record(5, &each),
        "at byte 11: the bytes end inside a number",
    );
}

#[test]
fn names_and_texts_that_cannot_be_are_refused() {
    let queue = |name: &[u8]| [&[1, name.len() as u8], name].concat();
    let no_name = "at byte 3: a queue has a name that no queue can have";
    check_refused(&record(3, &queue(b"")), no_name);
    check_refused(&record(3, &queue(b"a b")), no_name);
    check_refused(&record(3, &queue(b"-a")), no_name);
    check_refused(
        &record(3, &queue(b"\xff")),
        "at byte 4: a queue name is not UTF-8",
    );
    check_refused(
        &record(14, b"\x01\x01\xff"),
        "at byte 4: a text is not UTF-8",
    );
    let longer = b"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01abc";
    check_refused(
        &record(14, longer),
        "at byte 16: the bytes end inside a text",
    );
}

#[test]
fn consecutive_jobs_cost_three_bytes_however_many() {
    let jobs = |count: u64| (1..=count).map(JobSeq).collect::<Vec<_>>();
    let thousand = encoded(&Transition::JobsReady { jobs: jobs(1_000) });
    assert_eq!(thousand.len(), 2 + 2 + 1 + 2);
    let most = Transition::JobsReady {
        jobs: jobs(JOBS_MAX as u64),
    };
    assert_eq!(encoded(&most).len(), 2 + 3 + 1 + 3);
    assert_eq!(decoded(&encoded(&most)), Ok(most));
}

#[test]
fn what_could_not_be_read_back_is_not_written() {
    let jobs = vec![JobSeq(7); JOBS_MAX + 1];
    let number = LeaseRef {
        job: JobSeq(1),
        lease: LeaseNumber(NUMBER_MAX + 1),
    };
    let leases = vec![number];
    for transition in [
        Transition::JobsReady { jobs },
        Transition::JobsCompleted { leases },
    ] {
        let written = std::panic::catch_unwind(|| encoded(&transition));
        let text = written.unwrap_err().downcast::<String>().unwrap();
        assert!(text.ends_with("cannot be read back"), "{text}");
    }
}
