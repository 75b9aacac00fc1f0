//! Shapes: one a state, one a mark of the timeline, and the hatchings. Each differs from the others without its colour.

use maud::{Markup, html};

use super::class;
use crate::offline::report::judging::State;

/// Every shape, once; the page refers to them.
pub(super) fn definitions() -> Markup {
    html! {
        svg.defs width="0" height="0" aria-hidden="true" focusable="false" {
            // States, 16 by 16.
            symbol id="i-overdue" viewBox="0 0 16 16" {
                path d="M8 .8 15.6 15H.4z" {}
                path.in d="M7.1 5.5h1.8l-.3 5H7.4zM7.1 11.6h1.8v1.7H7.1z" {}
            }
            symbol id="i-unclear" viewBox="0 0 16 16" {
                path d="M2 1h12a1 1 0 0 1 1 1v12a1 1 0 0 1-1 1H2a1 1 0 0 1-1-1V2a1 1 0 0 1 1-1z" {}
                path.in d="M5.2 6.3C5.3 4.5 6.4 3.5 8.1 3.5c1.7 0 2.8.9 2.8 2.4 0 1.1-.6 1.7-1.4 2.2-.6.4-.8.6-.8 1.2v.3H7.1v-.5c0-1.1.5-1.6 1.2-2.1.6-.4.9-.6.9-1.1s-.4-.8-1.1-.8-1.2.4-1.2 1.2zM7 10.8h1.8v1.8H7z" {}
            }
            symbol id="i-unseen" viewBox="0 0 16 16" {
                circle.line cx="8" cy="8" r="6.6" stroke-dasharray="2.6 1.55" {}
            }
            symbol id="i-checked" viewBox="0 0 16 16" {
                circle.line cx="8" cy="8" r="6.6" {}
                path.line d="M4.7 8.3 7 10.6l4.3-4.9" {}
            }
            symbol id="i-fetched" viewBox="0 0 16 16" {
                circle cx="8" cy="8" r="7.5" {}
                path.in d="M7.1 3.5h1.8v4.8h2.6L8 12.3 4.5 8.3h2.6z" {}
            }
            symbol id="i-none" viewBox="0 0 16 16" {
                path.line d="M3 8h10" {}
            }
            // Marks, around their middle.
            path #m-download d="M-5-4.5h10L0 5z" {}
            path #m-offer d="M0-5.5 5.5 0 0 5.5-5.5 0z" {}
            path #m-attempt d="M-4-4 4 4M-4 4 4-4" {}
            pattern #h-away width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                path d="M0 0v7" {}
            }
            pattern #h-own width="8" height="5" patternUnits="userSpaceOnUse" {
                path d="M0 0h5v5h-5z" {}
            }
            pattern #h-hidden width="6" height="6" patternUnits="userSpaceOnUse" {
                rect width="6" height="6" {}
                path d="M0 1.5h6M0 4.5h6" {}
            }
            pattern #h-partial width="6" height="6" patternUnits="userSpaceOnUse" {
                rect width="6" height="6" {}
                circle cx="1.5" cy="1.5" r=".9" {}
                circle cx="4.5" cy="4.5" r=".9" {}
            }
        }
    }
}

/// A state's shape; its word stands beside it, or is hidden with it.
pub(super) fn state(state: Option<State>) -> Markup {
    let name = class(state);
    html! {
        svg class=(format!("icon {name}")) width="16" height="16" aria-hidden="true" focusable="false" {
            use href=(format!("#i-{name}")) {}
        }
    }
}
