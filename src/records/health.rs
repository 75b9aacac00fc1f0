//! What the health endpoint of a live run answers: a verdict and what it rests on, as one JSON object.
//!
//! No record: nothing but the endpoint gives it.

use super::Line;
use super::line::{Scratch, write_line};

/// One thing that has to be well.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What was looked at: a word of a closed list.
    pub check: &'static str,
    /// Whether it is well.
    pub is_good: bool,
    /// What was measured, in thousandths; `None`: nothing yet, or too little to judge.
    pub figure_thousandths: Option<u64>,
    /// More than this is bad, in thousandths; `None`: nothing is.
    pub limit_thousandths: Option<u64>,
    /// Of both.
    pub unit: &'static str,
    /// The same in words.
    pub said: String,
    /// What to do, where it is bad.
    pub step: &'static str,
}

/// The answer: a line that ends in a newline.
pub fn answer(checks: &[Check]) -> Vec<u8> {
    let mut buffer = Vec::new();
    write_line(&mut buffer, &mut Scratch::default(), |line| {
        let is_good = checks.iter().all(|check| check.is_good);
        line.integer("v", 1);
        line.text("status", if is_good { "good" } else { "bad" });
        line.list("checks", |line| {
            for check in checks {
                line.element_object(|line| write(line, check));
            }
        });
    });
    buffer
}

fn write(line: &mut Line<'_>, check: &Check) {
    line.text("check", check.check);
    line.boolean("good", check.is_good);
    if let Some(figure) = check.figure_thousandths {
        line.thousandths("figure", figure);
    }
    if let Some(limit) = check.limit_thousandths {
        line.thousandths("limit", limit);
    }
    line.text("unit", check.unit);
    line.text("said", &check.said);
    if !check.is_good {
        line.text("step", check.step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_check_makes_the_answer_bad_and_says_what_to_do() {
        let check = |is_good| Check {
            check: "packets",
            is_good,
            figure_thousandths: Some(61_000),
            limit_thousandths: Some(60_000),
            unit: "s",
            said: "no packet for 61s".to_owned(),
            step: "look at the mirror",
        };
        let text = |checks: &[Check]| String::from_utf8(answer(checks)).unwrap();
        assert_eq!(
            text(&[check(false)]),
            "{\"v\":1,\"status\":\"bad\",\"checks\":[{\"check\":\"packets\",\"good\":false,\"figure\":61.0,\"limit\":60.0,\
             \"unit\":\"s\",\"said\":\"no packet for 61s\",\"step\":\"look at the mirror\"}]}\n"
        );
        let both = text(&[check(true), check(false)]);
        assert!(both.starts_with("{\"v\":1,\"status\":\"bad\""), "{both}");
        assert!(!text(&[check(true)]).contains("step"));
    }
}
