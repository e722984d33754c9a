"""The daily report as a page and as a workbook: `content` says what it tells, `page` and `workbook` how it looks."""
