//! How refusals are counted: one plain struct of `u64` a stage, each field with the name that the statistics print.

/// Declares a struct of counters.
///
/// ```
/// patchspan::counters! {
///     /// What the example refused.
///     pub struct ExampleCounters {
///         /// Frames too short for their link header.
///         short_frame: "example.short_frame",
///     }
/// }
/// let mut sum = ExampleCounters::default();
/// let part = ExampleCounters { short_frame: 2 };
/// sum.add(&part);
/// assert_eq!(sum.iter().collect::<Vec<_>>(), [("example.short_frame", 2)]);
/// ```
#[macro_export]
macro_rules! counters {
    ($(#[$outer:meta])* $vis:vis struct $name:ident { $($(#[$inner:meta])* $field:ident: $label:literal,)* }) => {
        $(#[$outer])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        $vis struct $name { $($(#[$inner])* pub $field: u64,)* }

        impl $name {
            /// Adds the figures of `other`.
            #[allow(dead_code, reason = "not every stage has several of them")]
            $vis fn add(&mut self, other: &Self) {
                $(self.$field = self.$field.saturating_add(other.$field);)*
            }

            /// What came since `earlier`, an older state of the same counters.
            #[must_use]
            #[allow(dead_code, reason = "most are only summed")]
            $vis fn since(&self, earlier: &Self) -> Self {
                Self { $($field: self.$field.saturating_sub(earlier.$field),)* }
            }

            /// Every counter with its name, in a fixed order.
            $vis fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                [$(($label, self.$field)),*].into_iter()
            }
        }
    };
}
