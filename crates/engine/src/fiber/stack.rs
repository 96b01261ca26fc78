//! Stacks for fibers: reserved generously, touched lazily, guarded, pooled, given back.
//!
//! Address space is cheap and memory is not: a stack reserves [`STACK_SIZE`] bytes of which only touched pages count. They
//! come in chunks of one mapping each, so that 100,000 stacks do not reach `vm.max_map_count`: the guard page of a stack is
//! installed with `MADV_GUARD_INSTALL` (Linux 6.13), which does not split the mapping, and with `mprotect` where the kernel
//! does not know it (then about 32,000 stacks a process are the limit).

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::num::NonZeroUsize;

use corosensei::stack::{Stack, StackPointer};

/// Reserved bytes of one stack, guard included. Dropping a value nested as deep as the script's limits allow
/// (`MAX_ELEMENTS` levels) needs about 120 bytes a level in release builds and several times that in debug builds.
pub(crate) const STACK_SIZE: usize = if cfg!(debug_assertions) { 64 << 20 } else { 8 << 20 };
const GUARD: usize = 64 << 10;
const CHUNK: usize = 64;
/// Touched stacks that are kept for the next fiber as they are; beyond it their pages go back to the kernel.
const WARM: usize = 64;
/// A stack that was used deeper than this is never kept warm.
const SHALLOW: usize = 64 << 10;
const MADV_GUARD_INSTALL: libc::c_int = 102;

#[derive(Default)]
struct Pool {
    /// Lowest addresses of stacks whose upper pages are still there.
    warm: Vec<NonZeroUsize>,
    /// Lowest addresses of untouched stacks.
    cold: Vec<NonZeroUsize>,
}

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
    /// Lowest usable addresses of the stacks in use that went deep.
    static DEEP: RefCell<BTreeSet<usize>> = const { RefCell::new(BTreeSet::new()) };
}

/// One stack; goes back to the pool of the thread that drops it.
pub(super) struct PooledStack {
    lowest: NonZeroUsize,
}

/// Takes a stack, making a new chunk of them if the pool is empty.
pub(super) fn take() -> io::Result<PooledStack> {
    POOL.with_borrow_mut(|pool| {
        if pool.warm.is_empty() && pool.cold.is_empty() {
            pool.cold.extend(reserve()?);
        }
        let lowest = pool.warm.pop().or_else(|| pool.cold.pop());
        lowest.map(|lowest| PooledStack { lowest }).ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))
    })
}

/// Remembers that the stack with this lowest usable address went past what counts as shallow.
pub(super) fn note_depth(lowest_usable: usize, left: usize) {
    if left < STACK_SIZE - GUARD - SHALLOW {
        DEEP.with_borrow_mut(|deep| deep.insert(lowest_usable));
    }
}

/// Maps a chunk of stacks and guards each. The mapping stays for the life of the process: stacks are used again.
fn reserve() -> io::Result<Vec<NonZeroUsize>> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
    // SAFETY: a fresh anonymous mapping at an address of the kernel's choice touches no memory of ours.
    let chunk = unsafe {
        libc::mmap(std::ptr::null_mut(), CHUNK * STACK_SIZE, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0)
    };
    if chunk == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    (0..CHUNK)
        .map(|index| {
            let lowest = chunk as usize + index * STACK_SIZE;
            guard(lowest)?;
            NonZeroUsize::new(lowest).ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))
        })
        .collect()
}

fn guard(lowest: usize) -> io::Result<()> {
    let at = lowest as *mut libc::c_void;
    // SAFETY: `at` is the start of a stack inside the chunk that `reserve` has just mapped; nothing lives there yet.
    let installed = unsafe { libc::madvise(at, GUARD, MADV_GUARD_INSTALL) };
    // SAFETY: as above.
    if installed == 0 || unsafe { libc::mprotect(at, GUARD, libc::PROT_NONE) } == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

impl PooledStack {
    /// The lowest address above the guard.
    pub(super) fn lowest_usable(&self) -> usize {
        self.lowest.get() + GUARD
    }
}

impl Drop for PooledStack {
    fn drop(&mut self) {
        let deep = DEEP.try_with(|deep| deep.borrow_mut().remove(&self.lowest_usable())).unwrap_or(false);
        // The pool is gone when the thread ends; the pages then end with the process.
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if !deep && pool.warm.len() < WARM {
                pool.warm.push(self.lowest);
                return;
            }
            let (at, length) = (self.lowest_usable() as *mut libc::c_void, STACK_SIZE - GUARD);
            // SAFETY: the coroutine that used this stack has ended, so nothing on it is alive; the range is inside its mapping.
            let _ = unsafe { libc::madvise(at, length, libc::MADV_DONTNEED) };
            pool.cold.push(self.lowest);
        });
    }
}

// SAFETY: the range lies in one mapping that is never unmapped, is aligned to pages, is far larger than the minimum, and
// has a guard at its low end that faults on overflow.
unsafe impl Stack for PooledStack {
    fn base(&self) -> StackPointer {
        StackPointer::new(self.lowest.get() + STACK_SIZE).expect("a mapped address is not null")
    }

    fn limit(&self) -> StackPointer {
        self.lowest
    }
}
