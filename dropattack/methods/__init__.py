"""The training methods, one idea each: every file reads like the equation of its source."""
