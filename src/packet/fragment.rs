//! IP fragments, put together within a bound.
