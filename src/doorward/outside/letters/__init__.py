"""What mails say, in text and in HTML, in every language. Knows nothing of how they are sent or to whom.

Nothing in a mail is fetched from anywhere: no picture, no style sheet, nothing that tells that it was read.
"""
