"""Other people's formats: to and from a network, and for tables what stands around it.

`models` says what is written, `verifying` compares predictions, `layers` puts together what is
read; for each format there is a file or a folder.
"""
