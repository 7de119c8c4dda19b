/* SPDX-License-Identifier: GPL-2.0 */
/* What pattern leaves behind, and findpattern looks for. */
#define PATTERN	0x5ca1ab1e0ddba11eULL
