"""Pure accounting: no SQL, no clock, no sockets. Integers of nano-dollars, double entry, append only."""
