//! Numbers to draw.

/// A few numbers to draw.
#[derive(Debug, Clone)]
pub struct Chart {
    /// What is drawn.
    pub title: String,
    /// Unit of the numbers: `bytes`, `requests`; empty for a count.
    pub unit: String,
    /// Whether the labels are points in time, evenly spaced (a line), or names (bars).
    pub over_time: bool,
    /// Label and value, in order. A value that is not a finite number is drawn as nothing.
    pub points: Vec<(String, f64)>,
}

impl Chart {
    /// The smallest and the largest value, always with zero between them, so that lengths can be compared.
    pub(super) fn range(&self) -> (f64, f64) {
        let finite = self.points.iter().map(|&(_, value)| value).filter(|value| value.is_finite());
        finite.fold((0.0, 0.0), |(low, high): (f64, f64), value| (low.min(value), high.max(value)))
    }

    /// The values, or the largest of those that have to share a place if there are more of them than places: peaks are
    /// what one looks for.
    pub(super) fn peaks(&self, places: usize) -> Vec<f64> {
        let count = self.points.len();
        let places = places.clamp(1, count.max(1)).min(count);
        let value = |&(_, value): &(String, f64)| if value.is_finite() { value } else { 0.0 };
        (0..places)
            .map(|place| &self.points[place * count / places..(place + 1) * count / places])
            .map(|shared| shared.iter().map(value).fold(f64::NEG_INFINITY, f64::max))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over_time(values: &[f64]) -> Chart {
        let points = values.iter().enumerate().map(|(i, &value)| (i.to_string(), value)).collect();
        Chart { title: String::new(), unit: String::new(), over_time: true, points }
    }

    #[test]
    fn a_peak_survives_where_points_have_to_share_a_place() {
        let chart = over_time(&[1.0, 2.0, 9.0, 1.0, f64::NAN, 0.5, 0.25]);
        assert_eq!(chart.peaks(3), [2.0, 9.0, 0.5]);
        assert_eq!(chart.peaks(100), [1.0, 2.0, 9.0, 1.0, 0.0, 0.5, 0.25]);
        assert_eq!(chart.peaks(0), [9.0]);
        assert!(over_time(&[]).peaks(10).is_empty());
    }

    #[test]
    fn the_range_begins_or_ends_at_zero() {
        assert_eq!(over_time(&[5.0, 7.0, f64::INFINITY]).range(), (0.0, 7.0));
        assert_eq!(over_time(&[-5.0, 7.0]).range(), (-5.0, 7.0));
        assert_eq!(over_time(&[-5.0]).range(), (-5.0, 0.0));
    }
}
