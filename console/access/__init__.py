"""Who may do what: the gate before the console, users, roles, regions, sessions, the audit log.

gate.py         the ASGI app around the console: who has no session gets nowhere
who.py          who somebody is, what he may do, and what he did: for pages, handlers and the API
permissions.py  the table of actions and roles
users.py        what a user is, as the file has it; book.py: the file, looked at while the console runs
sessions.py     who is signed in; lockout.py: who has to wait; kept.py: both on disk
forms.py        the pages for signing in and out, passwords, the first administrator (first.py)
audit.py        the audit log
headers.py      what answers tell browsers; origin.py, cookies.py: what they tell us; forwarded.py: what proxies do
"""
