"""The guided tour: real files, real workers, one of them killed, and an account of every job."""
