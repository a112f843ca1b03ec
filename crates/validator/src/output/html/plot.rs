//! Plots as inline SVG; axes run from left to right and from bottom to top.

use std::fmt::Write as _;

use crate::output::escape::xml;

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 40.0;

/// How values become places on an axis.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scale {
    /// In proportion.
    Linear { from: f64, to: f64 },
    /// In proportion to the logarithm; both ends above 0.
    Logarithmic { from: f64, to: f64 },
}

impl Scale {
    /// Returns the share of the axis, 0 to 1.
    fn share(self, value: f64) -> f64 {
        let share = match self {
            Self::Linear { from, to } => (value - from) / (to - from),
            Self::Logarithmic { from, to } => (value / from).ln() / (to / from).ln(),
        };
        if share.is_nan() {
            0.0
        } else {
            share.clamp(0.0, 1.0)
        }
    }

    /// Returns values worth a tick.
    fn ticks(self) -> Vec<f64> {
        match self {
            Self::Linear { from, to } => (0..=4)
                .map(|step| from + (to - from) * f64::from(step) / 4.0)
                .collect(),
            Self::Logarithmic { from, to } => {
                let exponents = (from.log10().ceil() as i32)..=(to.log10().floor() as i32);
                exponents.map(|exponent| 10f64.powi(exponent)).collect()
            }
        }
    }
}

/// A plot in the making.
#[derive(Debug)]
pub(super) struct Plot {
    x: Scale,
    y: Scale,
    body: String,
}

impl Plot {
    pub(super) fn new(x: Scale, y: Scale) -> Self {
        Self {
            x,
            y,
            body: String::new(),
        }
    }

    fn place(&self, x: f64, y: f64) -> (f64, f64) {
        (
            LEFT + (WIDTH - LEFT - RIGHT) * self.x.share(x),
            TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - self.y.share(y)),
        )
    }

    /// Draws a line through the points.
    pub(super) fn line(&mut self, points: impl Iterator<Item = (f64, f64)>, class: &str) {
        let mut path = String::new();
        for (x, y) in points {
            let (x, y) = self.place(x, y);
            let _ = write!(path, "{x:.1},{y:.1} ");
        }
        let _ = writeln!(
            self.body,
            "<polyline class=\"{class}\" points=\"{}\"/>",
            path.trim_end()
        );
    }

    /// Draws a dot with a text that shows when it is pointed at.
    pub(super) fn dot(&mut self, x: f64, y: f64, radius: f64, about: &str) {
        let (x, y) = self.place(x, y);
        let _ = writeln!(
            self.body,
            "<circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\"><title>{}</title></circle>",
            xml(about)
        );
    }

    /// Draws a bar from the bottom up.
    pub(super) fn bar(&mut self, x: (f64, f64), height: f64, about: &str) {
        let (left, top) = self.place(x.0, height);
        let (right, bottom) = self.place(x.1, f64::MIN);
        let width = (right - left).max(1.0);
        let _ = writeln!(
            self.body,
            "<rect class=\"bar\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{:.1}\"><title>{}</title></rect>",
            bottom - top,
            xml(about)
        );
    }

    /// Draws an upright line with a text at its head.
    pub(super) fn mark(&mut self, at: f64, text: &str, class: &str) {
        let (x, _) = self.place(at, 0.0);
        let right = x > WIDTH * 0.7;
        let (anchor, shift) = if right { ("end", -4.0) } else { ("start", 4.0) };
        let _ = writeln!(
            self.body,
            "<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{}\"/><text class=\"note\" x=\"{:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            HEIGHT - BOTTOM,
            x + shift,
            // Two marks may stand close together: each kind has a line for its words.
            TOP + if class == "limit" { 24.0 } else { 11.0 },
            xml(text)
        );
    }

    /// Returns the plot with axes and their names.
    pub(super) fn finish(self, title: &str, x_name: &str, y_name: &str) -> String {
        let mut text = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
            xml(title)
        );
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for tick in self.x.ticks() {
            let (x, _) = self.place(tick, 0.0);
            let _ = writeln!(
                text,
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/><text class=\"tick\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                bottom + 15.0,
                tick_text(tick)
            );
        }
        for tick in self.y.ticks() {
            let (_, y) = self.place(0.0, tick);
            let _ = writeln!(
                text,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><text class=\"tick\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 6.0,
                y + 4.0,
                tick_text(tick)
            );
        }
        text.push_str(&self.body);
        let middle = f64::midpoint(LEFT, right);
        let upright = f64::midpoint(TOP, bottom);
        let _ = writeln!(
            text,
            "<text class=\"axis\" x=\"{middle:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - 6.0,
            xml(x_name)
        );
        let _ = writeln!(
            text,
            "<text class=\"axis\" transform=\"translate(12 {upright:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n</svg>",
            xml(y_name)
        );
        text
    }
}

/// Writes a tick's value with as few digits as tell it.
fn tick_text(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if value.abs() >= 1e6 || value.abs() < 1e-4 {
        return format!("{value:.0e}");
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
