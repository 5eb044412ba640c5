//! The latencies of one load, drawn.

use std::fmt::{self, Write as _};

use crate::load::Load;
use crate::report::Report;
use crate::stage::QUANTILES;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 480.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 220.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;
/// Told apart in grey and by the colour-blind (Okabe and Ito), a dash for the second four.
const COLOURS: [&str; 4] = ["#000000", "#0072b2", "#d55e00", "#009e73"];

/// A chart of the latencies under `load`: how long so many of all requests took at most, both axes by powers of ten.
///
/// # Errors
///
/// None; writing to a string does not fail.
pub(crate) fn drawn(report: &Report, load: Load) -> Result<String, fmt::Error> {
    let values = || report.curves(load).flat_map(|(_, curve)| curve.iter().copied());
    let lowest = values().fold(f64::INFINITY, f64::min).max(1.0).log10().floor();
    let highest = values().fold(1.0, f64::max).log10().ceil().max(lowest + 1.0);
    let (first, last) = (nines(QUANTILES[0]), nines(QUANTILES[QUANTILES.len() - 1]));
    let x = |share: f64| LEFT + (nines(share) - first) / (last - first) * (WIDTH - LEFT - RIGHT);
    let y = |us: f64| {
        HEIGHT
            - BOTTOM
            - (us.max(1.0).log10() - lowest) / (highest - lowest) * (HEIGHT - TOP - BOTTOM)
    };
    let mut svg = String::new();
    writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">"#
    )?;
    writeln!(svg, r#"<rect width="100%" height="100%" fill="white"/>"#)?;
    writeln!(svg, r#"<text x="{LEFT}" y="22" font-size="15">Latency, {load}</text>"#)?;
    for share in QUANTILES {
        let at = x(share);
        writeln!(
            svg,
            r##"<line x1="{at:.1}" x2="{at:.1}" y1="{TOP}" y2="{}" stroke="#ddd"/>"##,
            HEIGHT - BOTTOM
        )?;
        writeln!(
            svg,
            r#"<text x="{at:.1}" y="{}" text-anchor="middle">{} %</text>"#,
            HEIGHT - BOTTOM + 18.0,
            percent(share)
        )?;
    }
    let mut power = lowest;
    while power <= highest {
        let (at, us) = (y(10f64.powf(power)), 10f64.powf(power));
        writeln!(
            svg,
            r##"<line x1="{LEFT}" x2="{}" y1="{at:.1}" y2="{at:.1}" stroke="#ddd"/>"##,
            WIDTH - RIGHT
        )?;
        writeln!(
            svg,
            r#"<text x="{}" y="{:.1}" text-anchor="end">{} ms</text>"#,
            LEFT - 8.0,
            at + 4.0,
            us / 1e3
        )?;
        power += 1.0;
    }
    for (nth, (name, curve)) in report.curves(load).enumerate() {
        let points: Vec<String> = QUANTILES
            .iter()
            .zip(curve)
            .map(|(share, us)| format!("{:.1},{:.1}", x(*share), y(*us)))
            .collect();
        let colour = COLOURS[nth % COLOURS.len()];
        let dash = if nth < COLOURS.len() { "none" } else { "6 4" };
        writeln!(
            svg,
            r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>"#,
            points.join(" ")
        )?;
        let (from, at) = (WIDTH - RIGHT + 16.0, TOP + 10.0 + 20.0 * nth as f64);
        writeln!(
            svg,
            r#"<line x1="{from}" x2="{}" y1="{at}" y2="{at}" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>"#,
            from + 28.0
        )?;
        writeln!(svg, r#"<text x="{}" y="{}">{name}</text>"#, from + 36.0, at + 4.0)?;
    }
    writeln!(svg, "</svg>")?;
    Ok(svg)
}

/// How many nines `share` begins with, and between: 0.9 has one, 0.99 two.
fn nines(share: f64) -> f64 {
    -(1.0 - share).log10()
}

fn percent(share: f64) -> String {
    let percent = format!("{:.1}", share * 100.0);
    percent.trim_end_matches(".0").to_owned()
}
