"""What a day came to: completeness, frequency, voltages, devices, events, the station, as plain figures.

`day.day(…)` gathers it hour by hour; `console/reports` makes pages and workbooks of it.
"""
