//! A picture with two axes.

use maud::{Markup, html};

use super::scale::Axis;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 250.0;
const LEFT: f64 = 106.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 36.0;

/// How a point looks: what it means is told by its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A full dot: as it should be.
    Dot,
    /// A ring: as it should be, and gone by now.
    Ring,
    /// A triangle: with a warning.
    Triangle,
    /// A cross: bad.
    Cross,
    /// A diamond: broken off.
    Diamond,
}

impl Shape {
    fn class(self) -> &'static str {
        match self {
            Shape::Dot => "mark dot",
            Shape::Ring => "mark ring",
            Shape::Triangle => "mark triangle",
            Shape::Cross => "mark cross",
            Shape::Diamond => "mark diamond",
        }
    }

    fn path(self, x: f64, y: f64) -> String {
        match self {
            Shape::Dot | Shape::Ring => {
                format!("M{:.1} {y:.1}a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0z", x - 3.5)
            }
            Shape::Triangle => format!("M{x:.1} {:.1}l7 12h-14z", y - 8.0),
            Shape::Cross => format!("M{:.1} {:.1}l11 11m0 -11l-11 11", x - 5.5, y - 5.5),
            Shape::Diamond => format!("M{x:.1} {:.1}l6.5 6.5l-6.5 6.5l-6.5 -6.5z", y - 6.5),
        }
    }
}

/// A point that is drawn.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub(super) at: (f64, f64),
    pub(super) shape: Shape,
    /// What it is, for those who point at it.
    pub(super) title: String,
    /// What is written beside it.
    pub(super) label: Option<String>,
}

/// A line through points.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) class: &'static str,
    pub(super) points: Vec<(f64, f64)>,
    /// Whether the ground below it is filled.
    pub(super) is_filled: bool,
}

/// A picture.
pub(super) struct Chart<'a> {
    /// Of the element; its title's and its description's are made of it.
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    /// What one would see.
    pub(super) description: &'a str,
    pub(super) across: &'a Axis,
    pub(super) up: &'a Axis,
    pub(super) lines: Vec<Line>,
    pub(super) marks: &'a [Mark],
}

impl Chart<'_> {
    fn x(&self, value: f64) -> f64 {
        LEFT + self.across.place(value) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.up.place(value) * (HEIGHT - BOTTOM - TOP)
    }

    fn path(&self, points: &[(f64, f64)]) -> String {
        use std::fmt::Write as _;
        let mut path = String::new();
        for (nth, (x, y)) in points.iter().enumerate() {
            let letter = if nth == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{letter}{:.1} {:.1}", self.x(*x), self.y(*y));
        }
        path
    }

    /// The picture as SVG.
    pub(super) fn draw(&self) -> Markup {
        let (title, description) = (format!("{}-title", self.id), format!("{}-text", self.id));
        let bottom = HEIGHT - BOTTOM;
        html! {
            svg role="img" viewBox=(format!("0 0 {WIDTH} {HEIGHT}"))
                aria-labelledby=(title) aria-describedby=(description) {
                title id=(title) { (self.title) }
                desc id=(description) { (self.description) }
                @for (value, text) in &self.up.ticks {
                    @let y = self.y(*value);
                    line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(format!("{y:.1}")) y2=(format!("{y:.1}")) {}
                    text x=(LEFT - 8.0) y=(format!("{:.1}", y + 4.5)) text-anchor="end" { (text) }
                }
                @for (nth, (value, text)) in self.across.ticks.iter().enumerate() {
                    @let x = self.x(*value);
                    @let anchor = if x > WIDTH - 60.0 { "end" } else { "middle" };
                    @let x = format!("{:.1}", if x > WIDTH - 60.0 { x.min(WIDTH - 4.0) } else { x });
                    // Where there is little room, every other date is not written.
                    @let class = if nth % 2 == 1 { "date spare" } else { "date" };
                    line.tick x1=(x) x2=(x) y1=(bottom) y2=(bottom + 5.0) {}
                    text class=(class) x=(x) y=(bottom + 23.0) text-anchor=(anchor) { (text) }
                }
                @for line in &self.lines {
                    @if line.is_filled && let (Some(first), Some(last)) = (line.points.first(), line.points.last()) {
                        path.ground d=(format!("{}L{:.1} {bottom}L{:.1} {bottom}z", self.path(&line.points), self.x(last.0), self.x(first.0))) {}
                    }
                    path class=(line.class) fill="none" d=(self.path(&line.points)) {}
                }
                line.axis x1=(LEFT) x2=(WIDTH - RIGHT) y1=(bottom) y2=(bottom) {}
                @for mark in self.marks { (self.mark(mark)) }
            }
        }
    }

    fn mark(&self, mark: &Mark) -> Markup {
        let (x, y) = (self.x(mark.at.0), self.y(mark.at.1));
        // Words stand where there is room for them.
        let is_right = x < WIDTH / 2.0;
        let beside = if is_right { x + 10.0 } else { x - 10.0 };
        let anchor = if is_right { "start" } else { "end" };
        html! {
            path class=(mark.shape.class()) d=(mark.shape.path(x, y)) { title { (mark.title) } }
            @if let Some(label) = &mark.label {
                text.odd x=(format!("{beside:.1}")) y=(format!("{:.1}", (y - 6.0).max(14.0)))
                    text-anchor=(anchor) { (label) }
            }
        }
    }
}

/// A form as it stands in a legend.
pub(super) fn key(shape: Shape) -> Markup {
    html! {
        svg.key viewBox="0 0 16 16" aria-hidden="true" {
            path class=(shape.class()) d=(shape.path(8.0, 8.0)) {}
        }
    }
}

/// A kind of line as it stands in a legend.
pub(super) fn key_of_line(class: &str) -> Markup {
    html! {
        svg.key viewBox="0 0 16 16" aria-hidden="true" { path class=(class) d="M0 8H16" fill="none" {} }
    }
}
