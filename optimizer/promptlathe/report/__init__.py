"""What a finished run shows, computed once for whoever shows it: terminal, notebook, page.

mistakes    kinds of mistakes, and labels taken for others
worddiff    what changed between two texts
language    the words and numbers of a language
charts      pictures of figures, as SVG
frame       one self-contained HTML page from templates
rows        the held-out rows, within the size of a page
usage       how to ask a model with a prompt, in Python and with curl
page        the report of a run
"""
