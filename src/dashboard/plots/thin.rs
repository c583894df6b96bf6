//! Long histories made short without losing what one looks for.

/// At most so many points of a row are drawn: four for each of these parts of its time.
const PARTS: usize = 45;

/// The points of a row that are drawn: all of them where they are few. Else its time is divided
/// into equal parts, and of each the first, the last, the lowest and the highest stay. The points
/// are in the order of their time, and stay so.
pub(super) fn thin<T>(
    points: Vec<T>,
    time: impl Fn(&T) -> f64,
    height: impl Fn(&T) -> f64,
) -> Vec<T> {
    if points.len() <= 4 * PARTS {
        return points;
    }
    let (Some(from), Some(to)) = (points.first().map(&time), points.last().map(&time)) else {
        return points;
    };
    let share = (to - from) / super::scale::amount(PARTS as u64);
    let mut keep = vec![false; points.len()];
    let mut first = 0;
    for part in 1..=PARTS {
        let end = from + share * super::scale::amount(part as u64);
        let is_last = part == PARTS;
        let beyond = points[first..].iter().position(|point| !is_last && time(point) > end);
        let behind = beyond.map_or(points.len(), |offset| first + offset);
        let within = first..behind;
        let by_height = |a: &usize, b: &usize| height(&points[*a]).total_cmp(&height(&points[*b]));
        let lowest = within.clone().min_by(by_height);
        let highest = within.clone().max_by(by_height);
        for index in within.clone().take(1).chain(within.last()).chain(lowest).chain(highest) {
            keep[index] = true;
        }
        first = behind;
    }
    let mut keep = keep.into_iter();
    points.into_iter().filter(|_| keep.next().unwrap_or(false)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn thinned(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
        thin(points, |point| point.0, |point| point.1)
    }

    proptest! {
        #[test]
        fn extremes_and_ends_stay_and_order_too(heights in prop::collection::vec(0.0_f64..1e12, 0..3000), gaps in 0_u64..3) {
            let points: Vec<(f64, f64)> = heights.iter().enumerate()
                .map(|(nth, height)| (super::super::scale::amount(nth as u64 * gaps), *height))
                .collect();
            let found = thinned(points.clone());
            prop_assert!(found.len() <= 4 * PARTS);
            prop_assert!(found.windows(2).all(|pair| pair[0].0 <= pair[1].0));
            prop_assert!(found.iter().all(|point| points.contains(point)));
            let extremes = |points: &[(f64, f64)]| {
                let heights = || points.iter().map(|point| point.1);
                (heights().reduce(f64::min), heights().reduce(f64::max), points.first().copied(), points.last().copied())
            };
            prop_assert_eq!(extremes(&found), extremes(&points));
            prop_assert_eq!(thinned(found.clone()), found);
        }
    }

    #[test]
    fn a_single_odd_one_among_thousands_stays() {
        let points: Vec<(f64, f64)> = (0..10_000)
            .map(|nth| (f64::from(nth), if nth == 4711 { 1.0 } else { 1000.0 }))
            .collect();
        assert!(thinned(points).contains(&(4711.0, 1.0)));
    }
}
