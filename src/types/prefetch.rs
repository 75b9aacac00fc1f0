//! A word to the core: this memory is looked at soon.

#![allow(
    unsafe_code,
    reason = "stable Rust has the hint as an instruction of the machine alone"
)]

/// Bytes of a line of the cache.
const LINE: usize = 64;

/// The core fetches the first `lines` lines of a value, while it goes on with other work. A hint: nothing depends on it.
#[inline]
pub fn prefetch<T: ?Sized>(value: &T, lines: usize) {
    let all = size_of_val(value).div_ceil(LINE);
    fetch(std::ptr::from_ref(value).cast(), lines.min(all));
}

/// The core fetches the first `lines` lines behind some bytes: what a ring holds next, where they lie in one. A hint, as [`prefetch`].
#[inline]
pub fn prefetch_behind(bytes: &[u8], lines: usize) {
    fetch(bytes.as_ptr_range().end, lines);
}

#[inline]
fn fetch(start: *const u8, lines: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in 0..lines {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: the instruction reads nothing and cannot fault, whatever the address (Intel SDM, volume 2B, PREFETCHh).
        unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(line * LINE).cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (start, lines, LINE);
}
