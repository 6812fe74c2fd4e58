r"""What models really write, and what a grader should read in it: (text, answer, rung) for each kind of answer."""

from __future__ import annotations

from ttc_bench.core import Problem
from ttc_bench.grading.choice import Choice
from ttc_bench.grading.formula import Math
from ttc_bench.grading.number import Number
from ttc_bench.grading.phrase import Checked, Text
from ttc_bench.grading.words import Words

YES_NO = Words(("yes", "no"))
TRUE_FALSE = Words(("true", "false"))
VALID = Words(("valid", "invalid"))


def sums_to_ten(answer: str, problem: Problem) -> bool:
    return sum(map(int, answer.replace(" ", "").split("+"))) == 10


CHECKED = Checked(sums_to_ten)

NUMBERS = [
    # the rungs
    (r"So we get \boxed{42}.", "42", "boxed"),
    (r"First \boxed{1}, then \boxed{2}, in all \boxed{3}.", "3", "boxed"),
    (r"\boxed{\boxed{5}}", "5", "boxed"),
    (r"\boxed{x = \frac{3}{4}}", "0.75", "boxed"),
    (r"ANSWER: \boxed{42}", "42", "boxed"),
    (r"\boxed{7} and then it was cut off at \boxed{8", "7", "boxed"),
    (r"\boxed{} so The answer is 9.", "9", "format"),
    ("The answer is 18.", "18", "format"),
    ("7 + 5 = 12. 12 * 3 = 36. The answer is 36.", "36", "format"),
    ("The answer is 3. Wait, no. The answer is 4.", "4", "format"),
    ("the answer is: 18", "18", "format"),
    ("The final answer is 42. I hope it is correct.", "42", "format"),
    ("Answer: 42", "42", "format"),
    ("ANSWER: 42", "42", "format"),
    ("**Answer:** 42", "42", "format"),
    ("**Answer**: 42", "42", "format"),
    ("### Final Answer: **42**", "42", "format"),
    ("She makes 9 * 2 = $<<9*2=18>>18 every day.\n#### 18", "18", "format"),
    ("#### 1,234", "1234", "format"),
    ("#### Step 1: add 5\nso it is 7", "7", "last"),
    ("So the answer to this question must be 12, not 13.", "12", "answer-is"),
    ("... which gives 5. Answer: 5 apples", "5", "answer-is"),
    ("### Final Answer\n\n18", "18", "answer-is"),
    ("The final answer is:\n\n\\[\n18\n\\]", "18", "format"),
    ("The answer is not clear yet. So she has 4 + 5 = 9 apples left", "9", "last"),
    ("She has 3 + 4 = 7, then she buys 5 more, so 7 + 5 = 12", "12", "last"),
    ("18", "18", "last"),
    ("", None, "none"),
    ("   \n ", None, "none"),
    ("I cannot answer.", None, "none"),
    ("The answer is unknown.", None, "none"),
    # spellings
    ("The answer is $18.", "18", "format"),
    ("The answer is $18.00.", "18", "format"),
    (r"The answer is $\$18$.", "18", "format"),
    ("The answer is -$5.", "-5", "format"),
    ("The answer is 18 dollars.", "18", "format"),
    ("The answer is €1,234.50.", "1234.5", "format"),
    ("The answer is 15%.", "15", "format"),
    (r"The answer is $15\%$.", "15", "format"),
    ("The answer is 1,234,567.", "1234567", "format"),
    (r"\boxed{1{,}234}", "1234", "boxed"),
    (r"\boxed{10,\!000}", "10000", "boxed"),
    ("The answer is 3/4.", "0.75", "format"),
    ("The answer is 1/3 of the cake.", "1/3", "format"),
    ("The answer is 2 3/4 cups.", "2.75", "format"),
    ("The answer is 2½.", "2.5", "format"),
    (r"\boxed{\frac{3}{4}}", "0.75", "boxed"),
    (r"\boxed{-\dfrac{1}{3}}", "-1/3", "boxed"),
    (r"\boxed{\frac{-1}{3}}", "-1/3", "boxed"),
    (r"\boxed{\frac12}", "0.5", "boxed"),
    (r"\boxed{12\frac{3}{5}}", "12.6", "boxed"),
    ("The answer is 18.0.", "18", "format"),
    ("The answer is 0.50.", "0.5", "format"),
    ("The answer is .5", "0.5", "format"),
    ("The answer is 007.", "7", "format"),
    ("The answer is 1.5e3.", "1500", "format"),
    (r"The answer is $3 \times 10^{8}$ m/s.", "300000000", "format"),
    (r"The answer is $2.5 \cdot 10^{-3}$.", "0.0025", "format"),
    ("The answer is −5.", "-5", "format"),
    (r"\boxed{- 5}", "-5", "boxed"),
    ("The answer is\u00a05\u00a0kg.", "5", "format"),
    ("The answer is x = 5.", "5", "format"),
    (r"\boxed{x=5}", "5", "boxed"),
    (r"\boxed{18 \text{ dollars}}", "18", "boxed"),
    (r"\boxed{90^\circ}", "90", "boxed"),
    ("The answer is 5 + 3 = 8 apples.", "8", "format"),
    ("The answer is 8 because 5 + 3 = 8.", "8", "format"),
    ("The answer is **18**.", "18", "format"),
    ("The answer is `18`.", "18", "format"),
    ("The answer is: **$18**", "18", "format"),
    ("it takes 5-10 minutes", "10", "last"),
    ("from 10 - 5", "5", "last"),
    # a part of an expression is not a number
    ("The answer is 2^5.", None, "none"),
    (r"\boxed{9^{9^{9^{9}}}}", None, "none"),
    ("The answer is 9**9**9**9", None, "none"),
    (r"\boxed{5\sqrt{2}}", None, "none"),
    (r"\boxed{7\pi}", None, "none"),
    (r"\boxed{\frac{\pi}{2}}", None, "none"),
    ("H2O and x2", None, "none"),
    ("The answer is 1/0.", None, "none"),
    # thinking
    ("<think>It may be 5. The answer is 5.</think>The answer is 6.", "6", "format"),
    ("<think>The answer is 5.", None, "none"),
    ("maybe 5</think>\nSo 6", "6", "last"),
]

MATHS = [
    (r"so \boxed{\frac{1}{9}}", "1/9", "boxed"),
    (r"so \boxed{\dfrac{\sqrt{3}}{2}}", r"\frac{\sqrt{3}}{2}", "boxed"),
    (r"\boxed{\text{(C)}}", "C", "boxed"),
    (r"\boxed{\text{Evelyn}}", "evelyn", "boxed"),
    (r"\boxed{5.4 \text{ cents}}", "5.4", "boxed"),
    (r"\boxed{\$18.90}", "18.9", "boxed"),
    (r"\boxed{x \in [-2,7]}", "[-2, 7]", "boxed"),
    (r"\boxed{\left( 3, \frac{\pi}{2} \right)}", r"(3, \frac{\pi}{2})", "boxed"),
    (r"\boxed{2 + 3 = 5}", "5", "boxed"),
    (r"\boxed{3, 5}", "3, 5", "boxed"),
    (r"\boxed{4:30 \text{ p.m.}}", "4:30p.m", "boxed"),
    (r"The answer is \text{4:30 p.m.}.", "4:30p.m", "format"),
    (r"\boxed{1 \text{ hour } 30 \text{ minutes}}", "1hour30minutes", "boxed"),
    ("The answer is 1 hour 30 minutes.", "1hour30minutes", "format"),
    ("The answer is 4t, as shown.", "4t", "format"),
    (r"The answer is 7\pi because the radius is 7.", r"7\pi", "format"),
    (r"The answer is $\frac{3}{4}$.", "0.75", "format"),
    (r"The answer is $x = 3$ or $x = -2$.", "x=3, x=-2", "format"),
    (r"The answer is \(4a - 2\) since \(a > 1\).", "4a-2", "format"),
    (r"The final answer is: \[ 7\pi \]", r"7\pi", "format"),
    ("The answer is $18. She has $5 left.", "18", "format"),
    ("The answer is 18 dollars, since 9 * 2 = 18.", "18", "format"),
    ("**Answer:** 4t", "4t", "format"),
    ("the slope is $m = 2x + 3$", "2x+3", "last"),
    ("it takes $x$ to be 14 hours", "14", "last"),
    ("x + 1", "x+1", "last"),
    ("I cannot answer.", None, "none"),
    ("", None, "none"),
    ("The answer is found by looking at every one of these cases in turn", None, "none"),
]

CHOICES = [
    (r"\boxed{B}", "B", "boxed"),
    (r"\boxed{\text{(B)}}", "B", "boxed"),
    (r"\boxed{\textbf{(B)}\ 12}", "B", "boxed"),
    ("The answer is (B).", "B", "format"),
    ("So the answer is (B) Eve.", "B", "format"),
    ("The answer is B.", "B", "format"),
    ("The answer is **B**.", "B", "format"),
    ("The answer is (b).", "B", "format"),
    ("The answer is A because Dan finished third.", "A", "format"),
    ("The answer is option C.", "C", "format"),
    ("Answer: D. Dan finished third", "D", "format"),
    ("Answer: I think (E)", "E", "format"),
    ("The correct option is (F).", "F", "answer-is"),
    ("(A) is wrong. (B) is wrong, and so it must be (C)", "C", "last"),
    ("B", "B", "last"),
    ("(B)", "B", "last"),
    ("B) Eve finished third", "B", "last"),
    ("A blue jay is the oldest", None, "none"),
    ("I cannot answer.", None, "none"),
    ("The answer is Ana.", None, "none"),
    ("", None, "none"),
]

WORDS = [
    (YES_NO, "The answer is yes.", "yes", "format"),
    (YES_NO, "So Elanor lies. The answer is No.", "no", "format"),
    (YES_NO, r"\boxed{\text{Yes}}", "yes", "boxed"),
    (YES_NO, "**Answer:** No, she lies.", "no", "format"),
    (YES_NO, "Answer: No because yes would be a lie", "no", "format"),
    (YES_NO, "Yes, Elanor tells the truth.", "yes", "last"),
    (YES_NO, "Yes", "yes", "last"),
    (YES_NO, "There is no way to know", None, "none"),
    (YES_NO, "nobody knows", None, "none"),
    (YES_NO, "", None, "none"),
    (TRUE_FALSE, "not ( True ) and ( True ) is False", "false", "last"),
    (TRUE_FALSE, "The answer is not not True.", "true", "format"),
    (VALID, "Therefore the argument is deductively invalid.", "invalid", "last"),
    (VALID, "The argument is not deductively valid.", "invalid", "last"),
    (VALID, "The argument isn't valid", "invalid", "last"),
    (VALID, "The answer is valid.", "valid", "format"),
    (VALID, "I cannot answer.", None, "none"),
    (VALID, "The answer is VALİD.", "valid", "format"),  # re matches İ as i; lower() makes two characters of it
]

TEXTS = [
    ("The answer is red.", "red", "format"),
    ("Alice has red, Bob has blue. The answer is  The Red-ball.", "red ball", "format"),
    (r"\boxed{\text{Evelyn}}", "evelyn", "boxed"),
    ("Red", "red", "last"),
    ("Alice and Bob swap, so that now Alice has the", None, "none"),
    ("", None, "none"),
]

CHECKS = [
    ("The answer is 3 + 7.", "3 + 7", "format"),
    (r"\boxed{(3 + 4) \times 5}", "(3 + 4) * 5", "boxed"),
    (r"The answer is $3 \cdot 4$.", "3 * 4", "format"),
    ("**Answer:** (3 + 4) * 5 = 35", "(3 + 4) * 5 = 35", "format"),
    ("3 * 4", "3 * 4", "last"),
    ("", None, "none"),
]

GOLDEN = [
    *[(Number(), *case) for case in NUMBERS],
    *[(Math(), *case) for case in MATHS],
    *[(Choice(), *case) for case in CHOICES],
    *WORDS,
    *[(Text(), *case) for case in TEXTS],
    *[(CHECKED, *case) for case in CHECKS],
]

EQUAL = [
    (Number(), "18.0", "18"),
    (Number(), "$1,234.50", "1234.5"),
    (Number(), "15%", "15"),
    (Number(), "6/8", "0.75"),
    (Number(), "025", "25"),  # AIME
    (Number(), "27.0", "27"),  # AMC, as a float
    (Number(), "#### 18", "18"),
    (Math(), r"\frac{3}{4}", "0.75"),
    (Math(), r"\frac 59", r"\dfrac{5}{9}"),
    (Math(), r"\sqrt{12}", r"2\sqrt3"),
    (Math(), r"\frac{\sqrt3}{3}", r"\frac{1}{\sqrt3}"),
    (Math(), r"x \in [-2,7]", "[-2, 7]"),
    (Math(), "y = 2x+3", "2x + 3"),
    (Math(), "(x+1)^2", "x^2+2x+1"),
    (Math(), "1, 2", r"2 \text{ and } 1"),
    (Math(), "3+5i", "5i + 3"),
    (Math(), r"\text{(C)}", "C"),
    (Math(), r"4:30 \text{ p.m.}", r"\text{4:30 p.m.}"),
    (Math(), r"10\%", "10"),
    (Math(), "10{,}000", "10000"),
    (Choice(), "(B)", "B"),
    (YES_NO, "Yes", "yes"),
    (Text(), "the red ball", "Red Ball!"),
    (CHECKED, "3+7", "3 + 7"),
]
DIFFERENT = [
    (Number(), "42", "43"),
    (Number(), "1/3", "0.333333"),
    (Number(), "5", "-5"),
    (Math(), "4a-2", "4a+2"),
    (Math(), "(1,2)", "(2,1)"),
    (Math(), r"7\pi", "7"),
    (Math(), r"\text{east}", r"\text{seat}"),  # the letters of a word are no factors
    (Math(), "10%", "0.1"),
    (Math(), "1 hour 30 minutes", "1 hour 15 minutes"),
    (Math(), "1, 234", "1234"),
    (Choice(), "(B)", "(C)"),
    (YES_NO, "yes", "no"),
    (Text(), "red", "blue"),
]
