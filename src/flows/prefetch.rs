//! A word to the core: this memory is looked at soon.

#![allow(
    unsafe_code,
    reason = "stable Rust has the hint as an instruction of the machine alone"
)]

/// Bytes of a line of the cache.
const LINE: usize = 64;

/// The core fetches the first `lines` lines of a value, while it goes on with other work. A hint: nothing depends on it.
#[inline]
pub(super) fn prefetch<T>(value: &T, lines: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in 0..lines.min(size_of::<T>().div_ceil(LINE)) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let start = std::ptr::from_ref(value).cast::<i8>();
        // SAFETY: the instruction reads nothing and cannot fault, whatever the address (Intel SDM, volume 2B, PREFETCHh).
        unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(line * LINE)) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (value, lines, LINE);
}
