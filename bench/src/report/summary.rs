//! Many turns as one figure with its spread.

use crate::measured::Measured;

/// Median, least and most.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Spread {
    pub(super) median: f64,
    min: f64,
    max: f64,
}

impl Spread {
    /// Of at least one value.
    pub(super) fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            0 => f64::midpoint(values[middle - 1], values[middle]),
            _ => values[middle],
        };
        Some(Self { median, min, max })
    }

    /// `median (min–max)`.
    pub(super) fn text(self) -> String {
        let Self { median, min, max } = self;
        if min == max {
            return number(median);
        }
        format!("{} ({}–{})", number(median), number(min), number(max))
    }
}

/// With as many places as are worth reading.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        1_000.0.. => grouped(value.round() as i64),
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn grouped(value: i64) -> String {
    let digits = value.abs().to_string();
    let mut text = if value < 0 { "-" } else { "" }.to_owned();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// One turn for those who watch.
pub(super) fn line(measured: &Measured) -> String {
    let mut text = format!("{} jobs/s", number(measured.jobs_per_s));
    let figures = [
        ("server CPU µs", measured.server_cpu_us_per_job),
        ("client CPU µs", measured.client_cpu_us_per_job),
        ("put p50 µs", measured.put_p50_us),
        ("delivered p50 µs", measured.deliver_p50_us),
        ("p99", measured.deliver_p99_us),
        ("others' cores", Some(measured.others_cores)),
    ];
    for (name, figure) in figures {
        if let Some(figure) = figure {
            text.push_str(&format!(", {name} {}", number(figure)));
        }
    }
    if measured.errors > 0 {
        let first = measured.first_error.as_deref().unwrap_or_default();
        text.push_str(&format!(", {} errors: {first}", measured.errors));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let of = |values: &[f64]| Spread::of(values.iter().copied()).map(|spread| spread.median);
        assert_eq!(of(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(of(&[4.0, 1.0]), Some(2.5));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn numbers_are_as_long_as_they_need_to_be() {
        assert_eq!(number(1_234_567.8), "1,234,568");
        assert_eq!(number(999.4), "999");
        assert_eq!(number(12.345), "12.3");
        assert_eq!(number(0.5), "0.50");
    }
}
