//! The index against a list of jobs, by model.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Add {
        sizes: Vec<u32>,
    },
    Again {
        from: u64,
        sizes_from: u32,
        count: u64,
    },
    Replace {
        job: u64,
        size: u32,
    },
    End {
        from: u64,
        count: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        prop::collection::vec(prop_oneof![Just(5_u32), 0_u32..9], 1..90)
            .prop_map(|sizes| Step::Add { sizes }),
        (0_u64..400, 0_u32..9, 1_u64..70).prop_map(|(from, sizes_from, count)| Step::Again {
            from,
            sizes_from,
            count
        }),
        (0_u64..400, 0_u32..9).prop_map(|(job, size)| Step::Replace { job, size }),
        (0_u64..400, 1_u64..70).prop_map(|(from, count)| Step::End { from, count }),
    ]
}

fn sizes_of(sizes: &[u32]) -> Sizes {
    match sizes {
        [first, rest @ ..] if rest.iter().all(|size| size == first) => Sizes::Uniform {
            count: sizes.len() as u32,
            size: *first,
        },
        _ => Sizes::Each(sizes.into()),
    }
}

/// A job as a naive index has it.
#[derive(Clone, Copy)]
struct Known {
    home: u32,
    blob: Blob,
    record: u32,
}

/// Consecutive jobs, as a naive writer would lay them out.
fn lay(model: &mut BTreeMap<u64, Known>, first: u64, sizes: &[u32], place: Place, record: u32) {
    let record = record / (sizes.len() as u32).max(1);
    let mut at = place.at;
    for (job, size) in (first..).zip(sizes) {
        let blob = Blob {
            place: Place { at, ..place },
            len: size + BLOB_HEAD_BYTES,
        };
        let home = place.segment;
        model.insert(job, Known { home, blob, record });
        at += blob.len;
    }
}

proptest! {
    #[test]
    fn it_finds_what_a_map_of_every_job_finds(steps in prop::collection::vec(step(), 0..40)) {
        let mut index = Index::default();
        let mut model: BTreeMap<u64, Known> = BTreeMap::new();
        let mut next = 1;
        for (turn, step) in (1_u32..).zip(steps) {
            let place = Place { segment: turn / 5, frame: turn * 1000, at: turn };
            let record = turn * 7;
            match step {
                Step::Add { sizes } => {
                    index.put(JobSeq(next), &sizes_of(&sizes), place, record);
                    lay(&mut model, next, &sizes, place, record);
                    next += sizes.len() as u64;
                }
                Step::Again { from, sizes_from, count } => {
                    // Only consecutive live jobs are written again together.
                    let live = (from..).take_while(|job| model.contains_key(job));
                    let count = live.take(count as usize).count() as u32;
                    let sizes: Vec<u32> = (0..count).map(|n| sizes_from + n % 3).collect();
                    index.put(JobSeq(from), &sizes_of(&sizes), place, record);
                    lay(&mut model, from, &sizes, place, record);
                }
                Step::Replace { job, size } => {
                    index.replace(JobSeq(job), size, place);
                    if let Some(known) = model.get_mut(&job) {
                        known.blob = Blob { place, len: size + BLOB_HEAD_BYTES };
                    }
                }
                Step::End { from, count } => {
                    index.remove(JobSeq(from), count);
                    model.retain(|job, _| !(from..from + count).contains(job));
                }
            }
        }
        for job in 0..next + 3 {
            let expected = model.get(&job).map(|known| known.blob);
            prop_assert_eq!(index.locate(JobSeq(job)), expected, "job {}", job);
        }
        let bytes_of = |known: &Known| u64::from(known.blob.len + known.record);
        prop_assert_eq!(index.live_bytes(), model.values().map(bytes_of).sum::<u64>());
        for segment in 0..10 {
            let home: Vec<JobSeq> = model
                .iter()
                .filter(|(_, known)| known.home == segment)
                .map(|(job, _)| JobSeq(*job))
                .collect();
            let jobs = home.len() as u64;
            let bytes = home.iter().map(|job| bytes_of(&model[&job.0])).sum();
            prop_assert_eq!(index.at_home(segment), Load { jobs, bytes });
            let limits = ListLimits { jobs_max: 7, bytes_max: 30, runs_max: 3, fit: None };
            let mut listed = Vec::new();
            let mut from = Some(JobSeq(0));
            while let Some(at) = from {
                let (jobs, next) = index.list_home(segment, at, limits);
                listed.extend(jobs);
                from = next;
            }
            prop_assert_eq!(listed, home);
        }
    }
}
