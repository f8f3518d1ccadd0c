# SPDX-License-Identifier: Apache-2.0
"""fmmp-studio: the web page, a server that answers it, and a folder that any server can serve."""
