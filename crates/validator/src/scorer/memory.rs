//! One anonymous file that parent and child both map: batches cross without being sent.
//!
//! The file can grow and never shrink (it is sealed), so that a child gone wrong cannot make the
//! parent fault on pages that have vanished.

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{MapFlags, ProtFlags};

/// Mappings grow in steps of this many bytes, so that they seldom move.
const STEP_BYTES: usize = 1 << 20;

/// Shared pages and the file behind them.
#[derive(Debug)]
pub struct SharedMemory {
    file: OwnedFd,
    mapping: Option<Mapping>,
}

#[derive(Debug)]
struct Mapping {
    start: NonNull<c_void>,
    bytes: usize,
}

#[expect(
    unsafe_code,
    reason = "the mapping is owned by this value and tied to no thread"
)]
// SAFETY: the pages belong to the process; access goes through `&self` and `&mut self`.
unsafe impl Send for Mapping {}

impl SharedMemory {
    /// Creates the file, empty.
    ///
    /// # Errors
    /// What the kernel says, such as a missing `memfd_create`.
    pub fn create() -> io::Result<Self> {
        let file = rustix::fs::memfd_create(
            "scorer-batch",
            MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING,
        )?;
        rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::SEAL)?;
        Ok(Self {
            file,
            mapping: None,
        })
    }

    /// Wraps the file that another process created.
    #[must_use]
    pub fn from_file(file: OwnedFd) -> Self {
        Self {
            file,
            mapping: None,
        }
    }

    /// Returns the file, to be handed to the child.
    #[must_use]
    pub fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Makes room for `bytes`: the file grows where needed and is mapped whole.
    ///
    /// # Errors
    /// What the kernel says, such as no memory.
    pub fn reserve(&mut self, bytes: usize) -> io::Result<()> {
        if self
            .mapping
            .as_ref()
            .is_some_and(|mapping| mapping.bytes >= bytes)
        {
            return Ok(());
        }
        let target = bytes.max(1).next_multiple_of(STEP_BYTES);
        let file = File::from(self.file.try_clone()?);
        if file.metadata()?.len() < target as u64 {
            file.set_len(target as u64)?;
        }
        self.map(target)
    }

    /// Maps at least `bytes` of a file that the other side has grown.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file is shorter than that.
    pub fn follow(&mut self, bytes: usize) -> io::Result<()> {
        if self
            .mapping
            .as_ref()
            .is_some_and(|mapping| mapping.bytes >= bytes)
        {
            return Ok(());
        }
        let length = File::from(self.file.try_clone()?).metadata()?.len();
        let length = usize::try_from(length).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        if length < bytes.max(1) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.map(length)
    }

    fn map(&mut self, bytes: usize) -> io::Result<()> {
        self.mapping = None;
        #[expect(unsafe_code, reason = "mapping shared pages is what this type is for")]
        // SAFETY: the kernel chooses the place; the file is at least `bytes` long and sealed
        // against shrinking, so every page of the mapping stays valid until it is unmapped.
        let start = unsafe {
            rustix::mm::mmap(
                std::ptr::null_mut(),
                bytes,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                &self.file,
                0,
            )?
        };
        let start = NonNull::new(start).ok_or(io::ErrorKind::OutOfMemory)?;
        self.mapping = Some(Mapping { start, bytes });
        Ok(())
    }

    /// Returns the first `count` values; all of them must have been reserved.
    ///
    /// # Panics
    /// When they were not: a bug of the caller.
    #[must_use]
    pub fn floats(&self, count: usize) -> &[f32] {
        let start = self.checked_start(count);
        #[expect(unsafe_code, reason = "the pages are ours while the other side waits")]
        // SAFETY: in bounds (checked), aligned to a page, any bits are an f32; the protocol is in
        // lock step, so the other process does not write while this borrow lives.
        unsafe {
            std::slice::from_raw_parts(start.cast::<f32>().as_ptr(), count)
        }
    }

    /// Returns the first `count` values for writing; all of them must have been reserved.
    ///
    /// # Panics
    /// When they were not: a bug of the caller.
    #[must_use]
    pub fn floats_mut(&mut self, count: usize) -> &mut [f32] {
        let start = self.checked_start(count);
        #[expect(unsafe_code, reason = "the pages are ours while the other side waits")]
        // SAFETY: as in `floats`; `&mut self` makes the borrow the only one on this side.
        unsafe {
            std::slice::from_raw_parts_mut(start.cast::<f32>().as_ptr(), count)
        }
    }

    /// Returns where the shared bytes start, for a tensor that wraps them without a copy.
    ///
    /// # Panics
    /// When `count` values were not reserved: a bug of the caller.
    #[must_use]
    pub fn start(&self, count: usize) -> *mut u8 {
        self.checked_start(count).cast::<u8>().as_ptr()
    }

    fn checked_start(&self, count: usize) -> NonNull<c_void> {
        if count == 0 {
            return NonNull::<f32>::dangling().cast();
        }
        let mapping = self.mapping.as_ref().expect("reserved before it is read");
        assert!(
            count <= mapping.bytes / size_of::<f32>(),
            "{count} values do not fit {} mapped bytes",
            mapping.bytes
        );
        mapping.start
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "undoes the mapping made above")]
        // SAFETY: start and length are those of a mapping that nothing borrows any more.
        let unmapped = unsafe { rustix::mm::munmap(self.start.as_ptr(), self.bytes) };
        debug_assert!(unmapped.is_ok(), "a whole mapping can be undone");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_side_writes_the_other_side_reads_after_the_memory_grew() {
        let mut parent = SharedMemory::create().unwrap();
        let mut child = SharedMemory::from_file(parent.file().try_clone_to_owned().unwrap());
        for count in [3_usize, 700_000] {
            parent.reserve(count * 4).unwrap();
            for (index, value) in parent.floats_mut(count).iter_mut().enumerate() {
                *value = index as f32;
            }
            child.follow(count * 4).unwrap();
            assert_eq!(child.floats(count)[count - 1], (count - 1) as f32);
        }
    }

    #[test]
    fn the_other_side_cannot_shrink_the_file() {
        let mut parent = SharedMemory::create().unwrap();
        parent.reserve(10).unwrap();
        let child = File::from(parent.file().try_clone_to_owned().unwrap());
        assert!(child.set_len(0).is_err());
    }

    #[test]
    fn following_beyond_the_file_is_refused() {
        let parent = SharedMemory::create().unwrap();
        let mut child = SharedMemory::from_file(parent.file().try_clone_to_owned().unwrap());
        assert!(child.follow(8).is_err());
    }
}
