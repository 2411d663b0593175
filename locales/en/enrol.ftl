# Adding a terminal.
enrol-title = Add a terminal
enrol-open = This server lets any terminal in without a token. Run the agent on the terminal:
enrol-run = Run this on the terminal; every terminal has a <code>--device-id</code> of its own. It appears below as soon as it connects.
enrol-about = A terminal shows an enrolment token when it connects for the first time, and is given a token of its own. One enrolment token can let in many terminals.
enrol-uses = Terminals it may let in
enrol-uses-help = Empty: any number.
enrol-hours = Valid for, hours
enrol-hours-help = Empty: until it is revoked.
enrol-create = Create enrolment token
enrol-arrivals = Came in
enrol-waiting = Waiting for a terminal since { $since }.
enrol-look-again = Look again
enrol-to-devices = To the terminals
