//! What turns the claims red.
