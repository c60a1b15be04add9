//! Plots as SVG: the same data give the same bytes.
//!
//! The background is white, so that they can be read on a dark page too. The colours are those of Okabe and Ito, which people with any
//! kind of colour vision can tell apart; each series has a marker of its own beside.

use std::error::Error;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::element::PathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// One line of a plot, or the bars of one colour.
pub(crate) struct Series {
    /// What the legend calls it.
    pub name: String,
    /// Where it goes through, by ascending x. For bars x is the number of the group, from 0.
    pub points: Vec<(f64, f64)>,
}

/// What the axes mean.
pub(crate) struct Axes {
    /// The heading.
    pub title: &'static str,
    /// What goes to the right, with its unit.
    pub x: &'static str,
    /// What goes up, with its unit.
    pub y: &'static str,
    /// Whether equal steps to the right are equal factors. Bars ignore it.
    pub log_x: bool,
    /// Whether equal steps up are equal factors.
    pub log_y: bool,
}

const WIDTH: u32 = 760;
const HEIGHT: u32 = 420;
/// What the title takes, and a line of the legend.
const TITLE: i32 = 38;
const LEGEND_LINE: i32 = 22;
const FONT: &str = "sans-serif";
const INK: RGBColor = RGBColor(0x33, 0x33, 0x33);
const GRID: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);
const COLOURS: [RGBColor; 6] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
];
/// How far ticks at the values of the data are apart at least, as a part of the axis: otherwise ticks are at round numbers.
const APART: f64 = 0.05;

type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'b, SVGBackend<'a>, Cartesian2d<Scale, Scale>>;
type Drawn = Result<(), Box<dyn Error>>;

/// A plot of lines.
pub(crate) fn lines(axes: &Axes, series: &[Series]) -> String {
    svg(|canvas| {
        let x = Scale::of(series, |point| point.0, axes.log_x, true);
        let y = Scale::of(series, |point| point.1, axes.log_y, false);
        let plot = head(canvas, axes.title, series)?;
        let mut chart = chart(&plot, axes, &x, &y, &|at| number(x.value(at)))?;
        for (nth, one) in series.iter().enumerate() {
            let colour = COLOURS[nth % COLOURS.len()];
            let points = one.points.iter().filter(|point| x.has(point.0) && y.has(point.1));
            let points: Vec<_> = points.map(|point| (x.place(point.0), y.place(point.1))).collect();
            chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?;
            for point in points {
                let at = chart.backend_coord(&point);
                marker(canvas, nth, at)?;
            }
        }
        Ok(())
    })
}

/// A plot of bars: in each group, one of each series.
pub(crate) fn bars(axes: &Axes, groups: &[String], series: &[Series]) -> String {
    svg(|canvas| {
        let y = Scale::of(series, |point| point.1, axes.log_y, false);
        let numbers: Vec<_> = (0_u32..).take(groups.len()).map(f64::from).collect();
        let last = numbers.last().copied().unwrap_or_default();
        let x = Scale { log: false, from: -0.6, to: last + 0.6, ticks: numbers.clone() };
        let plot = head(canvas, axes.title, series)?;
        let name = |at: f64| {
            let nth = numbers.iter().position(|number| (number - at).abs() < 0.01);
            nth.map(|nth| groups[nth].clone()).unwrap_or_default()
        };
        let mut chart = chart(&plot, axes, &x, &y, &name)?;
        let width = 0.8 / numbers_of(series).last().map_or(1.0, |last| last + 1.0);
        for ((nth, one), place) in series.iter().enumerate().zip(numbers_of(series)) {
            let shown = one.points.iter().filter(|point| y.has(point.1));
            let bar = |point: &(f64, f64)| {
                let left = point.0 - 0.4 + place * width;
                let corners = [(left, y.from), (left + width * 0.9, y.place(point.1))];
                Rectangle::new(corners, COLOURS[nth % COLOURS.len()].filled())
            };
            chart.draw_series(shown.map(bar))?;
        }
        Ok(())
    })
}

/// 0, 1, 2 and so on.
fn numbers_of(series: &[Series]) -> impl DoubleEndedIterator<Item = f64> {
    let count = u32::try_from(series.len()).unwrap_or(u32::MAX);
    (0..count).map(f64::from)
}

/// The text of what is drawn.
fn svg(draw: impl Fn(&Canvas<'_>) -> Drawn) -> String {
    let mut text = String::new();
    {
        let canvas = SVGBackend::with_string(&mut text, (WIDTH, HEIGHT)).into_drawing_area();
        let drawn = canvas.fill(&WHITE).map_err(Into::into).and_then(|()| draw(&canvas));
        let drawn = drawn.and_then(|()| canvas.present().map_err(Into::into));
        // Only text is written to memory.
        drawn.unwrap_or_else(|error| panic!("a plot could not be drawn: {error}"));
    }
    text
}

/// An axis. On a logarithmic one, places are the logarithms of the values.
#[derive(Clone)]
struct Scale {
    log: bool,
    from: f64,
    to: f64,
    ticks: Vec<f64>,
}

impl Scale {
    /// One that has room for all values. Ticks are `at_values` where those are few.
    fn of(series: &[Series], of: impl Fn(&(f64, f64)) -> f64, log: bool, at_values: bool) -> Self {
        let mut values: Vec<_> = series.iter().flat_map(|it| &it.points).map(of).collect();
        values.retain(|value| value.is_finite() && (!log || *value > 0.0));
        values.sort_by(f64::total_cmp);
        values.dedup();
        let low = values.first().copied().unwrap_or(1.0);
        let high = values.last().copied().unwrap_or(10.0).max(low * 1.01);
        let (from, to) = if log {
            let room = (high / low).log10() * 0.06;
            (low.log10() - room, high.log10() + room)
        } else {
            (0.0, high * 1.05)
        };
        let mut scale = Self { log, from, to, ticks: Vec::new() };
        let places = |values: &[f64]| values.iter().map(|value| scale.place(*value)).collect::<Vec<_>>();
        let (at_each, round) = (places(&values), places(&if log { factors(low, high) } else { steps(high) }));
        let is_apart = at_each.windows(2).all(|pair| pair[1] - pair[0] >= APART * (to - from));
        scale.ticks = if at_values && is_apart { at_each } else { round };
        scale
    }

    fn has(&self, value: f64) -> bool {
        value.is_finite() && (!self.log || value > 0.0)
    }

    fn place(&self, value: f64) -> f64 {
        if self.log { value.log10() } else { value }
    }

    fn value(&self, place: f64) -> f64 {
        if self.log { 10_f64.powf(place) } else { place }
    }
}

/// In places, so that an axis of either kind is linear.
impl Ranged for Scale {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, place: &f64, (start, end): (i32, i32)) -> i32 {
        let length = f64::from(end - start);
        let pixels = (place - self.from) / (self.to - self.from) * length;
        #[expect(clippy::cast_possible_truncation, reason = "pixels of a plot are few")]
        let pixels = pixels.round() as i32;
        start + pixels
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.clone() }
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.from..self.to
    }
}

/// 1, 2 and 5 in each decade, as far as they are between the two; over many decades only their beginnings.
fn factors(low: f64, high: f64) -> Vec<f64> {
    let digits: &[f64] = if high / low > 2000.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let decades = std::iter::successors(Some(1e-9), |it| Some(it * 10.0)).take_while(|it| *it <= high);
    let all = decades.flat_map(|decade| digits.iter().map(move |digit| digit * decade));
    all.filter(|value| (low * 0.87..=high * 1.15).contains(value)).collect()
}

/// Four to nine round steps from 0.
fn steps(high: f64) -> Vec<f64> {
    let sizes = factors(high / 10.0, high);
    let size = sizes.into_iter().find(|size| high / size < 9.0).unwrap_or(high);
    std::iter::successors(Some(0.0), |it| Some(it + size)).take_while(|it| *it <= high * 1.05).collect()
}

/// As few digits as tell it.
fn number(value: f64) -> String {
    let decimals = if value >= 99.5 {
        0
    } else if value >= 9.95 {
        1
    } else {
        3
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Writes the title and the legend, and answers what is left below them.
fn head<'a>(canvas: &Canvas<'a>, title: &str, series: &[Series]) -> Result<Canvas<'a>, Box<dyn Error>> {
    let middle = Pos::new(HPos::Left, VPos::Center);
    let heading = (FONT, 17).into_font().color(&INK).pos(middle);
    canvas.draw(&Text::new(title.to_owned(), (16, 20), heading))?;
    let style = (FONT, 13).into_font().color(&INK).pos(middle);
    let (mut left, mut y) = (20, TITLE + LEGEND_LINE / 2);
    for (nth, one) in series.iter().enumerate() {
        let width = i32::try_from(canvas.estimate_text_size(&one.name, &style)?.0)? + 50;
        if left > 20 && left + width > i32::try_from(WIDTH)? {
            (left, y) = (20, y + LEGEND_LINE);
        }
        let colour = COLOURS[nth % COLOURS.len()];
        canvas.draw(&PathElement::new([(left, y), (left + 24, y)], colour.stroke_width(2)))?;
        marker(canvas, nth, (left + 12, y))?;
        canvas.draw(&Text::new(one.name.clone(), (left + 30, y), style.clone()))?;
        left += width;
    }
    Ok(canvas.split_vertically(y + LEGEND_LINE * 2 / 3).1)
}

/// The axes, without anything between them.
fn chart<'a, 'b>(
    plot: &'b Canvas<'a>,
    axes: &Axes,
    x: &Scale,
    y: &Scale,
    x_label: &dyn Fn(f64) -> String,
) -> Result<Chart<'a, 'b>, Box<dyn Error>> {
    let mut chart = ChartBuilder::on(plot)
        .margin_left(16)
        .margin_right(24)
        .margin_bottom(8)
        .x_label_area_size(46)
        .y_label_area_size(70)
        .build_cartesian_2d(x.clone(), y.clone())?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(INK)
        .label_style((FONT, 13).into_font().color(&INK))
        .axis_desc_style((FONT, 14).into_font().color(&INK))
        .x_desc(axes.x)
        .y_desc(axes.y)
        .x_label_formatter(&|place| x_label(*place))
        .y_label_formatter(&|place| number(y.value(*place)))
        .draw()?;
    Ok(chart)
}

/// The mark of a series at a pixel: circle, square, triangle, and the same again hollow.
fn marker(canvas: &Canvas<'_>, nth: usize, (x, y): (i32, i32)) -> Drawn {
    let colour = COLOURS[nth % COLOURS.len()];
    let style: ShapeStyle = if nth < 3 { colour.filled() } else { colour.stroke_width(2) };
    match nth % 3 {
        0 => canvas.draw(&Circle::new((x, y), 4, style))?,
        1 => canvas.draw(&Rectangle::new([(x - 4, y - 4), (x + 4, y + 4)], style))?,
        _ if nth < 3 => canvas.draw(&Polygon::new([(x - 5, y + 4), (x + 5, y + 4), (x, y - 5)], style))?,
        _ => canvas
            .draw(&PathElement::new([(x - 5, y + 4), (x + 5, y + 4), (x, y - 5), (x - 5, y + 4)], style))?,
    }
    Ok(())
}
