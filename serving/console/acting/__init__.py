"""What people do about customers: forms, the record of what was done, where that leaves them."""
