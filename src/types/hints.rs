//! Words about memory to the core and to the kernel: nothing depends on them.

#![allow(
    unsafe_code,
    reason = "stable Rust has one hint as an instruction of the machine alone, the other as a call of the kernel"
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

/// The kernel gives memory that nobody has touched in large pages, where it has them: a core finds its way in a large table sooner. For
/// tables that are filled from one end, or filled all over soon, as a large page is resident as a whole.
pub fn large_pages<T>(memory: &[T]) {
    /// That of the kernel's calls.
    const PAGE: usize = 4_096;
    /// A large one, on most machines.
    const LARGE_PAGE: usize = 2 << 20;
    let range = memory.as_ptr_range();
    let skipped = range.start.cast::<u8>().align_offset(PAGE);
    let length = size_of_val(memory).saturating_sub(skipped) / PAGE * PAGE;
    if length < LARGE_PAGE {
        return;
    }
    let start = range.start.cast::<u8>().wrapping_add(skipped);
    // SAFETY: the pages lie within the slice, and the advice changes neither what is in them nor where they are (madvise(2)).
    let advised = unsafe {
        rustix::mm::madvise(
            start.cast_mut().cast(),
            length,
            rustix::mm::Advice::LinuxHugepage,
        )
    };
    // A kernel without them says so.
    let _ = advised;
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
