"""Reports of a verdict: an HTML page with plots, Markdown for a pull request, JUnit XML.

`facts` collects the data from the topics, and each form is rendered from it alone. No form reads a topic or sees a
value that is not in diff, so redacted values stay redacted.
"""
