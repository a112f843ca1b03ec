//! The story of each command, one file each; everything below is told what to do from here.
